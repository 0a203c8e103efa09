/** Which coins the table shows, and in which order. */
import type { Coin, MarketStore } from './store';
import type { Quote } from './types';

export type SortKey =
  | 'rank'
  | 'name'
  | 'price'
  | 'changePercent24h'
  | 'marketCap'
  | 'volume24h'
  | 'time_ms';

export interface Sort {
  readonly key: SortKey;
  readonly descending: boolean;
}

export const DEFAULT_SORT: Sort = { key: 'rank', descending: false };

/** Which way a column is first sorted: big and new things first, ranks and names from the top. */
export function firstSort(key: SortKey): Sort {
  return { key, descending: key !== 'rank' && key !== 'name' };
}

const names = new Intl.Collator('en', { sensitivity: 'base', numeric: true });

export function coinName(coin: Coin): string {
  return coin.name ?? coin.id;
}

interface Entry {
  readonly coin: Coin;
  readonly quote: Quote | undefined;
}

function sortValue({ coin, quote }: Entry, key: Exclude<SortKey, 'name'>): number | undefined {
  return key === 'rank' ? coin.rank : quote?.[key];
}

/** Unknown values come last whichever way a column is sorted; equals are ordered by name. */
function compare(a: Entry, b: Entry, sort: Sort): number {
  const sign = sort.descending ? -1 : 1;
  const byName = names.compare(coinName(a.coin), coinName(b.coin));
  if (sort.key === 'name') return sign * byName;
  const left = sortValue(a, sort.key);
  const right = sortValue(b, sort.key);
  if (left === right) return byName;
  if (left === undefined) return 1;
  if (right === undefined) return -1;
  return sign * (left - right);
}

function matches(coin: Coin, filter: string): boolean {
  const wanted = filter.trim().toLowerCase();
  if (wanted === '') return true;
  return [coin.id, coin.name, coin.symbol].some((text) => text?.toLowerCase().includes(wanted));
}

/** The ids of the coins that match the filter, sorted. */
export function orderCoins(
  store: MarketStore,
  currency: string,
  sort: Sort,
  filter: string,
): string[] {
  const entries: Entry[] = [];
  for (const id of store.coinIds()) {
    const coin = store.coin(id);
    if (coin && matches(coin, filter)) entries.push({ coin, quote: store.quote(id, currency) });
  }
  return entries.sort((a, b) => compare(a, b, sort)).map((entry) => entry.coin.id);
}

function sameIds(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}

/**
 * orderCoins() as a snapshot for React: the same array until the order really changes, looked at
 * once per flush of the store.
 */
export function orderSnapshot(
  store: MarketStore,
  currency: string,
  sort: Sort,
  filter: string,
): () => readonly string[] {
  let version = -1;
  let ids: readonly string[] = [];
  return () => {
    if (version === store.version()) return ids;
    version = store.version();
    const next = orderCoins(store, currency, sort, filter);
    if (!sameIds(ids, next)) ids = next;
    return ids;
  };
}
