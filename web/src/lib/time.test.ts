import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Backoff } from './backoff';
import { ServerClock } from './serverClock';
import { Ticker } from './ticker';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

test('backoff doubles up to its limit and starts over after a reset', () => {
  const backoff = new Backoff(500, 30_000, () => 1);
  const waits = Array.from({ length: 9 }, () => backoff.next());
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  backoff.reset();
  expect(backoff.next()).toBe(500);
});

test('jitter takes up to half of a wait', () => {
  expect(new Backoff(1000, 30_000, () => 0).next()).toBe(500);
  expect(new Backoff(1000, 30_000, () => 0.5).next()).toBe(750);
});

test('a backoff of thousands of attempts still waits its limit', () => {
  const backoff = new Backoff(500, 30_000, () => 1);
  for (let i = 0; i < 5000; i += 1) backoff.next();
  expect(backoff.next()).toBe(30_000);
});

test('the ticker runs only while somebody listens', () => {
  const ticker = new Ticker(1000);
  const listener = vi.fn();
  expect(vi.getTimerCount()).toBe(0);
  const unsubscribe = ticker.subscribe(listener);
  vi.advanceTimersByTime(3500);
  expect(listener).toHaveBeenCalledTimes(3);
  expect(ticker.now()).toBe(1_003_000);
  unsubscribe();
  expect(vi.getTimerCount()).toBe(0);
});

test('the server’s clock counts where it differs', () => {
  const clock = new ServerClock();
  const date = (ms: number): string => new Date(ms).toUTCString();
  clock.note(date(Date.now() - 1_200_000), Date.now());
  expect(Math.abs(clock.at(Date.now()) - (Date.now() - 1_200_000))).toBeLessThanOrEqual(1000);
  for (const nothing of [null, 'yesterday']) clock.note(nothing, Date.now());
  expect(clock.at(0)).toBeLessThan(-1_198_000);
  clock.note(date(Date.now()), Date.now() - 300);
  expect(clock.at(7)).toBe(7);
});
