// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CONFIG, FakeNetwork, FakeServer, message } from '../test/fakes';
import { Api, ApiError, fetchConfig } from './api';
import { Market } from './market';
import { MarketStore } from './store';

const CRYPTOS = '/api/v1/cryptos';
let server: FakeServer;
let network: FakeNetwork;
let market: Market;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 10, 22, 12) });
  server = new FakeServer();
  vi.stubGlobal('fetch', server.fetch);
  network = new FakeNetwork();
  const store = new MarketStore((flush) => {
    flush();
  });
  market = new Market(CONFIG, new Api(CONFIG.apiUrl), store, network.connect);
});

afterEach(() => {
  market.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function serveList(price: number, timestamp: string): void {
  const prices = [{ currency: 'usd', price, timestamp, marketCap: 1e12 }];
  server.ok(CRYPTOS, { trackedCoins: [{ id: 'bitcoin', name: 'Bitcoin', prices }], count: 1 });
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

test('what the stream brings while the list is loading is not lost', async () => {
  serveList(1, '2026-11-22T11:59:00Z');
  market.start();
  network.last.open();
  network.last.send(message({ coinId: 'bitcoin', price: 2, timestamp: '2026-11-22T11:59:30Z' }));
  await settle();
  expect(market.listStatus().state).toBe('ready');
  expect(market.store.quote('bitcoin', 'usd')?.price).toBe(2);
  expect(market.store.coin('bitcoin')?.name).toBe('Bitcoin');
});

test('the socket is opened before the list is asked for', () => {
  serveList(1, '2026-11-22T11:59:00Z');
  const order: string[] = [];
  vi.stubGlobal('fetch', (url: string) => {
    order.push(url);
    return server.fetch(url);
  });
  const early = new Market(CONFIG, new Api(CONFIG.apiUrl), market.store, () => {
    order.push('socket');
    return network.connect();
  });
  early.start();
  early.stop();
  expect(order).toEqual(['socket', CRYPTOS]);
});

test('a failed list is tried again until it comes', async () => {
  server.fail(CRYPTOS, 503, 'The database does not answer.');
  market.start();
  await settle();
  expect(market.listStatus()).toEqual({ state: 'failed', reason: 'The database does not answer.' });
  serveList(1, '2026-11-22T11:59:00Z');
  await vi.advanceTimersByTimeAsync(1000);
  expect(market.listStatus().state).toBe('ready');
  expect(market.store.quote('bitcoin', 'usd')?.price).toBe(1);
});

test('after a gap the list is loaded anew, and whoever keeps a history hears of it', async () => {
  serveList(1, '2026-11-22T11:59:00Z');
  const gap = vi.fn();
  market.subscribeGap(gap);
  market.start();
  network.last.open();
  await settle();
  expect(server.requests).toHaveLength(1);
  network.last.drop();
  serveList(5, '2026-11-22T12:30:00Z');
  await vi.advanceTimersByTimeAsync(500);
  network.last.open();
  await settle();
  expect(gap).toHaveBeenCalledTimes(1);
  expect(server.requests).toHaveLength(2);
  expect(market.store.quote('bitcoin', 'usd')?.price).toBe(5);
});

test('a server that only has old prices becomes stale, whoever sends them', async () => {
  serveList(1, '2026-11-20T00:00:00Z');
  market.start();
  network.last.open();
  for (let minute = 0; minute < 4; minute += 1) {
    const timestamp = `2026-11-20T00:0${minute}:00Z`;
    network.last.send(message({ coinId: 'bitcoin', price: 1, timestamp }));
    await vi.advanceTimersByTimeAsync(60_000);
  }
  // The silent connection is being made anew; jitter decides whether a wait or an attempt is on.
  market.feed.retryNow();
  network.last.open();
  expect(market.feed.status().state).toBe('stale');
});

test('a browser whose clock is ahead takes a new price for news', async () => {
  serveList(1, '2026-11-22T11:39:00Z');
  server.date = 'Sun, 22 Nov 2026 11:40:00 GMT';
  market.start();
  network.last.open();
  await settle();
  await vi.advanceTimersByTimeAsync(100_000);
  network.last.send(message({ coinId: 'bitcoin', price: 2, timestamp: '2026-11-22T11:41:30Z' }));
  await vi.advanceTimersByTimeAsync(100_000);
  expect(market.feed.status().state).toBe('live');
});

test('messages that are none do no harm', () => {
  market.start();
  network.last.open();
  for (const text of ['', '{', '{}', 'null', '[1]']) network.last.send(text);
  expect(market.store.coinIds()).toEqual([]);
  expect(market.feed.status().state).toBe('live');
});

test('requests are spelt as the API wants them', async () => {
  server.ok('/api/v1/cryptos/a%2Fb/history', { priceHistory: [] });
  await new Api('/api/v1').history('a/b', 'eur', 100);
  expect(server.requests).toEqual(['/api/v1/cryptos/a%2Fb/history?limit=100&currency=eur']);
});

test('errors are told in words', async () => {
  const api = new Api('/api/v1');
  server.fail(CRYPTOS, 503, 'The database does not answer.');
  await expect(api.cryptos()).rejects.toEqual(new ApiError('The database does not answer.', 503));
  server.answers.set(CRYPTOS, { status: 502, body: 'Bad Gateway' });
  await expect(api.cryptos()).rejects.toThrow('The server answered with an error (502).');
  server.answers.set(CRYPTOS, 'down');
  await expect(api.cryptos()).rejects.toThrow('The server cannot be reached.');
  server.ok(CRYPTOS, { something: 'else' });
  await expect(api.cryptos()).rejects.toThrow('The server’s answer'.replace('’', "'"));
});

test('the configuration is read from the page’s own host', async () => {
  server.ok('/config.json', { apiUrl: '/api/v1', websocketUrl: '', websocketPort: 8080 });
  expect(await fetchConfig()).toMatchObject({ websocketUrl: 'ws://localhost:8080/' });
});
