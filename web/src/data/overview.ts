/** The market at a glance: how many coins rise and fall, and which move most. */
import type { MarketStore } from './store';

export interface Overview {
  readonly rising: number;
  readonly falling: number;
  readonly unchanged: number;
  readonly marketCap: number;
  readonly volume24h: number;
  readonly gainers: readonly string[];
  readonly losers: readonly string[];
}

interface Move {
  readonly id: string;
  readonly percent: number;
}

function sum(values: readonly (number | undefined)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}

export function overviewOf(store: MarketStore, currency: string, top: number): Overview {
  const quotes = store.coinIds().map((id) => ({ id, quote: store.quote(id, currency) }));
  const moves: Move[] = [];
  for (const { id, quote } of quotes) {
    if (quote?.changePercent24h !== undefined) moves.push({ id, percent: quote.changePercent24h });
  }
  moves.sort((a, b) => b.percent - a.percent);
  const rising = moves.filter((move) => move.percent > 0);
  const falling = moves.filter((move) => move.percent < 0).reverse();
  return {
    rising: rising.length,
    falling: falling.length,
    unchanged: moves.length - rising.length - falling.length,
    marketCap: sum(quotes.map(({ quote }) => quote?.marketCap)),
    volume24h: sum(quotes.map(({ quote }) => quote?.volume24h)),
    gainers: rising.slice(0, top).map((move) => move.id),
    losers: falling.slice(0, top).map((move) => move.id),
  };
}
