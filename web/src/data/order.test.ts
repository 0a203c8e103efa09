import { beforeEach, expect, test } from 'vitest';
import { update } from '../test/fakes';
import { DEFAULT_SORT, firstSort, orderCoins, orderSnapshot } from './order';
import type { Sort, SortKey } from './order';
import { overviewOf } from './overview';
import { MarketStore } from './store';

let store: MarketStore;

beforeEach(() => {
  store = new MarketStore((flush) => {
    flush();
  });
  const coins: [id: string, name: string | undefined, rank: number | undefined, price: number, change: number | undefined][] = [
    ['gamma', 'Gamma', 3, 5, -4],
    ['alpha', 'Alpha', 1, 10, 2],
    ['beta', 'beta', 2, 7, undefined],
    ['unranked', undefined, undefined, 20, 9],
  ];
  coins.forEach(([coinId, name, rank, price, changePercent24h], index) => {
    store.apply({
      ...update(coinId, price, index + 1),
      details: {
        marketCap: price * 100,
        volume24h: price,
        ...(changePercent24h !== undefined && { changePercent24h }),
      },
      identity: { symbol: coinId.slice(0, 3), ...(name && { name }), ...(rank && { rank }) },
    });
  });
  store.merge([{ id: 'priceless', identity: { name: 'Priceless' }, updates: [] }]);
});

test.each<[SortKey, boolean, string]>([
  ['rank', false, 'alpha beta gamma priceless unranked'],
  ['rank', true, 'gamma beta alpha priceless unranked'],
  ['name', false, 'alpha beta gamma priceless unranked'],
  ['name', true, 'unranked priceless gamma beta alpha'],
  ['price', true, 'unranked alpha beta gamma priceless'],
  ['price', false, 'gamma beta alpha unranked priceless'],
  ['changePercent24h', true, 'unranked alpha gamma beta priceless'],
  ['changePercent24h', false, 'gamma alpha unranked beta priceless'],
  ['marketCap', true, 'unranked alpha beta gamma priceless'],
  ['volume24h', false, 'gamma beta alpha unranked priceless'],
  ['time_ms', true, 'unranked beta alpha gamma priceless'],
])('sorts by %s, descending %s: unknown values come last', (key, descending, expected) => {
  expect(orderCoins(store, 'usd', { key, descending }, '').join(' ')).toBe(expected);
});

test.each([
  ['ALP', 'alpha'],
  [' bet ', 'beta'],
  ['gam', 'gamma'],
  ['unr', 'unranked'],
  ['a', 'alpha beta gamma unranked'],
  ['xyz', ''],
])('the filter %s finds %s by name, symbol or id', (filter, expected) => {
  const ids = orderCoins(store, 'usd', DEFAULT_SORT, filter).filter((id) => id !== 'priceless');
  expect(ids.join(' ')).toBe(expected);
});

test('a column is first sorted the way that one looks at it', () => {
  expect(firstSort('name')).toEqual<Sort>({ key: 'name', descending: false });
  expect(firstSort('price')).toEqual<Sort>({ key: 'price', descending: true });
});

test('the order is the same array until it really changes', () => {
  const snapshot = orderSnapshot(store, 'usd', { key: 'price', descending: true }, '');
  const first = snapshot();
  store.apply(update('gamma', 6, 100));
  expect(snapshot()).toBe(first);
  store.apply(update('gamma', 1000, 101));
  expect(snapshot()).not.toBe(first);
  expect(snapshot()[0]).toBe('gamma');
});

test('the overview counts and picks what moves most', () => {
  expect(overviewOf(store, 'usd', 1)).toEqual({
    rising: 2,
    falling: 1,
    unchanged: 0,
    marketCap: 4200,
    volume24h: 42,
    gainers: ['unranked'],
    losers: ['gamma'],
  });
  expect(overviewOf(store, 'eur', 5)).toMatchObject({ rising: 0, marketCap: 0, gainers: [] });
});
