// @vitest-environment jsdom
import { beforeEach, expect, test, vi } from 'vitest';
import { update } from '../test/fakes';
import { MarketStore, nextFrame } from './store';

let flushes: (() => void)[];
let store: MarketStore;

beforeEach(() => {
  flushes = [];
  store = new MarketStore((flush) => flushes.push(flush));
});

function flush(): void {
  for (const run of flushes.splice(0)) run();
}

test('many updates make one flush, in which each dirty coin is told once', () => {
  const bitcoin = vi.fn();
  const ether = vi.fn();
  const other = vi.fn();
  const market = vi.fn();
  store.subscribeCoin('bitcoin', bitcoin);
  store.subscribeCoin('ethereum', ether);
  store.subscribeCoin('other', other);
  store.subscribe(market);
  for (let i = 1; i <= 100; i += 1) {
    store.apply(update('bitcoin', i, i));
    store.apply(update('ethereum', i, i));
  }
  expect(flushes).toHaveLength(1);
  expect(bitcoin).not.toHaveBeenCalled();
  flush();
  expect(bitcoin).toHaveBeenCalledTimes(1);
  expect(ether).toHaveBeenCalledTimes(1);
  expect(other).not.toHaveBeenCalled();
  expect(market).toHaveBeenCalledTimes(1);
  expect(store.version()).toBe(1);
  store.apply(update('bitcoin', 101, 101));
  flush();
  expect(bitcoin).toHaveBeenCalledTimes(2);
  expect(ether).toHaveBeenCalledTimes(1);
});

test('the newest timestamp wins, whichever way it came', () => {
  expect(store.apply(update('bitcoin', 2, 200))).toBe(true);
  expect(store.apply(update('bitcoin', 1, 100))).toBe(false);
  expect(store.apply(update('bitcoin', 3, 200))).toBe(false);
  store.merge([{ id: 'bitcoin', identity: { name: 'Bitcoin' }, updates: [update('bitcoin', 9, 150)] }]);
  expect(store.quote('bitcoin', 'usd')).toMatchObject({ price: 2, time_ms: 200 });
  expect(store.coin('bitcoin')).toEqual({ id: 'bitcoin', name: 'Bitcoin' });
});

test('nothing new is not announced', () => {
  store.apply(update('bitcoin', 1, 100));
  flush();
  store.apply(update('bitcoin', 1, 100));
  store.merge([{ id: 'bitcoin', identity: {}, updates: [update('bitcoin', 1, 90)] }]);
  expect(flushes).toHaveLength(0);
});

test('a quote knows which way it went and how often it changed', () => {
  const steps: [price: number, direction: string, changes: number][] = [
    [10, 'none', 0],
    [11, 'up', 1],
    [11, 'up', 1],
    [9, 'down', 2],
  ];
  steps.forEach(([price, direction, changes], index) => {
    store.apply(update('bitcoin', price, index));
    expect(store.quote('bitcoin', 'usd')).toMatchObject({ price, direction, changes });
  });
});

test('a bare price keeps the details, a detailed one replaces all of them', () => {
  store.apply({ ...update('bitcoin', 1, 1), details: { marketCap: 5, volume24h: 6 } });
  store.apply(update('bitcoin', 2, 2));
  expect(store.quote('bitcoin', 'usd')).toMatchObject({ price: 2, marketCap: 5, volume24h: 6 });
  store.apply({ ...update('bitcoin', 3, 3), details: { marketCap: 7 } });
  expect(store.quote('bitcoin', 'usd')).toMatchObject({ marketCap: 7 });
  expect(store.quote('bitcoin', 'usd')).not.toHaveProperty('volume24h');
});

test('a coin that is missing in a later list is forgotten, one that was never listed is not', () => {
  const listed = (id: string) => ({ id, identity: {}, updates: [update(id, 1, 1)] });
  const told = vi.fn();
  store.merge([listed('bitcoin'), listed('ethereum')]);
  store.apply(update('newcomer', 1, 1));
  flush();
  store.subscribeCoin('ethereum', told);
  store.merge([listed('bitcoin')]);
  flush();
  expect(store.coinIds()).toEqual(['bitcoin', 'newcomer']);
  expect(store.quote('ethereum', 'usd')).toBeUndefined();
  expect(told).toHaveBeenCalledTimes(1);
  store.merge([listed('bitcoin'), listed('ethereum')]);
  expect(store.quote('ethereum', 'usd')?.price).toBe(1);
});

test('each currency is a price of its own', () => {
  store.apply(update('bitcoin', 1, 1));
  store.apply({ ...update('bitcoin', 2, 1), currency: 'eur' });
  expect(store.quote('bitcoin', 'usd')?.price).toBe(1);
  expect(store.quote('bitcoin', 'eur')?.price).toBe(2);
  expect(store.currencies()).toEqual(['eur', 'usd']);
  const before = store.currencies();
  store.apply({ ...update('ethereum', 2, 1), currency: 'eur' });
  expect(store.currencies()).toBe(before);
});

test('whoever unsubscribed is not told, even during a flush', () => {
  const late = vi.fn();
  const unsubscribe = store.subscribeCoin('bitcoin', late);
  store.apply(update('bitcoin', 1, 1));
  unsubscribe();
  unsubscribe();
  flush();
  expect(late).not.toHaveBeenCalled();
  store.subscribeCoin('bitcoin', late);
  unsubscribe();
  store.apply(update('bitcoin', 2, 2));
  flush();
  expect(late).toHaveBeenCalledTimes(1);
});

test('an update that a listener causes gets a flush of its own', () => {
  store.subscribeCoin('bitcoin', () => {
    store.apply(update('ethereum', 1, 1));
  });
  store.apply(update('bitcoin', 1, 1));
  flush();
  expect(flushes).toHaveLength(1);
});

test('a page flushes with the next frame, and by a timer when it gets none', () => {
  vi.useFakeTimers();
  const run = vi.fn();
  nextFrame(run);
  vi.advanceTimersByTime(50);
  expect(run).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(2000);
  expect(run).toHaveBeenCalledTimes(1);
  // As when the page is hidden after it has asked.
  vi.spyOn(window, 'requestAnimationFrame').mockReturnValue(7);
  nextFrame(run);
  vi.advanceTimersByTime(1000);
  expect(run).toHaveBeenCalledTimes(2);
  vi.useRealTimers();
});
