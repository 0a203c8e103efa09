/**
 * The market's state, outside React. Updates change Maps at once and mark their coin dirty;
 * listeners hear of the dirty coins in one flush per animation frame, however many updates came
 * in it. The newest timestamp wins, so that the stream and REST may arrive in any order.
 */
import type { TrackedCoin } from './decode';
import type { CoinIdentity, Direction, PriceUpdate, Quote, QuoteDetails } from './types';

type Listener = () => void;

export interface Coin extends CoinIdentity {
  readonly id: string;
}

/** Runs a flush once, soon. */
export type Schedule = (flush: () => void) => void;

/**
 * By the next animation frame. A hidden page gets none, not even one that it asked for before it
 * was hidden; a second's patience is enough there.
 */
export function nextFrame(flush: () => void): void {
  const run = (): void => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    flush();
  };
  const frame = requestAnimationFrame(run);
  const timer = setTimeout(run, 1000);
}

function directionOf(from: Quote | undefined, to: PriceUpdate): Direction {
  if (!from || from.price === to.price) return from?.direction ?? 'none';
  return to.price > from.price ? 'up' : 'down';
}

/** A message of the plain format without any detail leaves those that are known. */
function detailsOf(quote: Quote | undefined, update: PriceUpdate): QuoteDetails {
  if (!quote || Object.keys(update.details).length > 0) return update.details;
  const { marketCap, volume24h, high24h, low24h, change24h, changePercent24h } = quote;
  const known = { marketCap, volume24h, high24h, low24h, change24h, changePercent24h };
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
}

function advance(quote: Quote | undefined, update: PriceUpdate): Quote {
  const changed = quote !== undefined && quote.price !== update.price;
  return {
    ...detailsOf(quote, update),
    currency: update.currency,
    price: update.price,
    time_ms: update.time_ms,
    direction: directionOf(quote, update),
    changes: (quote?.changes ?? 0) + (changed ? 1 : 0),
  };
}

function sameIdentity(a: CoinIdentity, b: CoinIdentity): boolean {
  return a.symbol === b.symbol && a.name === b.name && a.rank === b.rank;
}

export class MarketStore {
  readonly #schedule: Schedule;
  readonly #coins = new Map<string, Coin>();
  readonly #quotes = new Map<string, Map<string, Quote>>();
  readonly #dirty = new Set<string>();
  #listed: readonly string[] = [];
  readonly #coinListeners = new Map<string, Set<Listener>>();
  readonly #marketListeners = new Set<Listener>();
  #currencies: readonly string[] = [];
  #scheduled = false;
  #version = 0;

  constructor(schedule: Schedule = nextFrame) {
    this.#schedule = schedule;
  }

  /** Counts flushes: equal numbers mean that nothing has been announced in between. */
  readonly version = (): number => this.#version;

  readonly coinIds = (): readonly string[] => [...this.#coins.keys()];

  /** The currencies that any coin has a price in, sorted; the same array until one is new. */
  readonly currencies = (): readonly string[] => this.#currencies;

  coin(id: string): Coin | undefined {
    return this.#coins.get(id);
  }

  quote(id: string, currency: string): Quote | undefined {
    return this.#quotes.get(id)?.get(currency);
  }

  /** Takes an update in. True if it is newer than what was known of the coin in its currency. */
  apply(update: PriceUpdate): boolean {
    this.#identify(update.coinId, update.identity);
    const quotes = this.#quotesOf(update.coinId);
    const known = quotes.get(update.currency);
    if (known && update.time_ms <= known.time_ms) return false;
    quotes.set(update.currency, advance(known, update));
    if (!known && !this.#currencies.includes(update.currency)) {
      this.#currencies = [...this.#currencies, update.currency].sort();
    }
    this.#touch(update.coinId);
    return true;
  }

  /**
   * Takes in the list of tracked coins; what the stream brought meanwhile stays if newer. A coin of
   * an earlier list that is not in this one is no longer tracked; one that only the stream knows
   * may be too new for the list.
   */
  merge(coins: readonly TrackedCoin[]): void {
    const listed = new Set(coins.map((coin) => coin.id));
    for (const id of this.#listed) if (!listed.has(id)) this.#forget(id);
    this.#listed = [...listed];
    for (const coin of coins) {
      this.#identify(coin.id, coin.identity);
      for (const update of coin.updates) this.apply(update);
    }
  }

  /** Calls back after each flush in which this coin was dirty. */
  subscribeCoin(id: string, listener: Listener): () => void {
    let listeners = this.#coinListeners.get(id);
    if (!listeners) {
      listeners = new Set();
      this.#coinListeners.set(id, listeners);
    }
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#coinListeners.get(id) === listeners) {
        this.#coinListeners.delete(id);
      }
    };
  }

  /** Calls back after each flush. */
  readonly subscribe = (listener: Listener): (() => void) => {
    this.#marketListeners.add(listener);
    return () => this.#marketListeners.delete(listener);
  };

  #quotesOf(id: string): Map<string, Quote> {
    let quotes = this.#quotes.get(id);
    if (!quotes) {
      quotes = new Map<string, Quote>();
      this.#quotes.set(id, quotes);
    }
    return quotes;
  }

  #identify(id: string, identity: CoinIdentity): void {
    const known = this.#coins.get(id);
    const coin: Coin = { ...known, ...identity, id };
    if (known && sameIdentity(known, coin)) return;
    this.#coins.set(id, coin);
    this.#touch(id);
  }

  #forget(id: string): void {
    this.#coins.delete(id);
    this.#quotes.delete(id);
    this.#touch(id);
  }

  #touch(id: string): void {
    this.#dirty.add(id);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => {
      this.#flush();
    });
  }

  #flush(): void {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    this.#scheduled = false;
    this.#version += 1;
    for (const id of dirty) {
      for (const listener of [...(this.#coinListeners.get(id) ?? [])]) listener();
    }
    for (const listener of [...this.#marketListeners]) listener();
  }
}
