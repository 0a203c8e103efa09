// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CONFIG, FakeNetwork, FakeServer, message } from '../test/fakes';
import { Api } from './api';
import { CoinHistory } from './coinHistory';
import { Market } from './market';
import { MarketStore } from './store';

const NOW = Date.UTC(2026, 10, 22, 12);
const HISTORY = '/api/v1/cryptos/bitcoin/history';
let server: FakeServer;
let network: FakeNetwork;
let market: Market;
let history: CoinHistory;
let flushes: (() => void)[];

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  server = new FakeServer();
  vi.stubGlobal('fetch', server.fetch);
  network = new FakeNetwork();
  flushes = [];
  const store = new MarketStore((flush) => flushes.push(flush));
  market = new Market(CONFIG, new Api(CONFIG.apiUrl), store, network.connect);
  market.feed.start();
  history = new CoinHistory(market, 'bitcoin', 'usd', 100);
});

afterEach(() => {
  history.stop();
  market.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Each price stands for the second that it came in. */
const at = (second: number): string => new Date(NOW + second * 1000).toISOString();

function serve(...seconds: number[]): void {
  const priceHistory = seconds.map((price) => ({ price, currency: 'usd', timestamp: at(price) }));
  server.ok(HISTORY, { priceHistory });
}

function live(...seconds: number[]): void {
  for (const price of seconds) {
    network.last.send(message({ coinId: 'bitcoin', price, timestamp: at(price) }));
  }
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
const prices = (): number[] => history.get().points.map((point) => point.price);
const requests = (): number => server.requests.filter((url) => url.startsWith(HISTORY)).length;

async function startLive(): Promise<void> {
  serve(1, 2);
  history.start();
  network.last.open();
  live(2);
  await pass(0);
  expect(prices()).toEqual([1, 2]);
}

function reopen(): void {
  network.last.drop();
  market.feed.retryNow();
  network.last.open();
}

test('a failed request is repeated, at growing distances, and costs no point', async () => {
  await startLive();
  server.fail(HISTORY, 503, 'The database does not answer.');
  reopen();
  await pass(0);
  expect(history.get()).toMatchObject({ state: 'failed', reason: 'The database does not answer.' });
  live(9);
  expect(prices()).toEqual([1, 2, 9]);
  await pass(1000 + 2000 + 4000);
  expect(requests()).toBeGreaterThanOrEqual(1 + 1 + 3);
  serve(1, 2, 5, 9);
  await pass(8000);
  expect(history.get()).toMatchObject({ state: 'ready', reason: '' });
  expect(prices()).toEqual([1, 2, 5, 9]);
});

test('after a gap it asks until the answer reaches what the stream has brought', async () => {
  await startLive();
  reopen();
  live(9);
  await pass(0);
  live(10);
  serve(1, 2, 5);
  await pass(1000);
  expect(prices()).toEqual([1, 2, 5, 9, 10]);
  serve(1, 2, 5, 7, 9);
  await pass(2000);
  expect(prices()).toEqual([1, 2, 5, 7, 9, 10]);
  const before = requests();
  live(11, 12);
  await pass(600_000);
  expect(requests()).toBe(before);
});

test('the stream may begin after the answer', async () => {
  serve(1, 2);
  history.start();
  await pass(0);
  network.last.open();
  live(9);
  serve(1, 2, 5, 9);
  await pass(1000);
  expect(prices()).toEqual([1, 2, 5, 9]);
});

test('a database that stays behind is not asked for ever', async () => {
  await startLive();
  reopen();
  live(9);
  await pass(900_000);
  const before = requests();
  expect(before).toBe(1 + 1 + 10);
  await pass(3_600_000);
  expect(requests()).toBe(before);
});

test('no price of the stream is lost between two flushes; listeners hear of each flush', async () => {
  await startLive();
  for (const flush of flushes.splice(0)) flush();
  const listener = vi.fn();
  history.subscribe(listener);
  live(3, 4, 5, 4);
  expect(listener).not.toHaveBeenCalled();
  for (const flush of flushes.splice(0)) flush();
  expect(listener).toHaveBeenCalledTimes(1);
  expect(prices()).toEqual([1, 2, 3, 4, 5]);
});

test('a page that is shown again asks for what it may have missed', async () => {
  await startLive();
  serve(1, 2, 3);
  document.dispatchEvent(new Event('visibilitychange'));
  await pass(0);
  expect(prices()).toEqual([1, 2, 3]);
});

test('one that has ended asks and hears no more', async () => {
  await startLive();
  server.answers.set(HISTORY, 'down');
  reopen();
  await pass(0);
  history.stop();
  const before = requests();
  live(3);
  reopen();
  document.dispatchEvent(new Event('visibilitychange'));
  await pass(600_000);
  expect(requests()).toBe(before);
  expect(prices()).toEqual([1, 2]);
});
