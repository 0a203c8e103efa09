// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Mock } from 'vitest';
import { FakeNetwork } from '../test/fakes';
import type { FeedSink } from './feed';
import { Feed } from './feed';

let network: FakeNetwork;
let sink: { message: Mock<FeedSink['message']>; gap: Mock<FeedSink['gap']> };
let feed: Feed;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  network = new FakeNetwork();
  sink = { message: vi.fn<FeedSink['message']>(() => true), gap: vi.fn<FeedSink['gap']>() };
  feed = new Feed({ url: 'ws://host/', sink, connect: network.connect, random: () => 1 });
  feed.start();
});

afterEach(() => {
  feed.stop();
  vi.useRealTimers();
});

function state(): string {
  return feed.status().state;
}

test('opens, takes messages, and is live', () => {
  expect(state()).toBe('connecting');
  network.last.open();
  expect(state()).toBe('live');
  network.last.send('{"a":1}');
  network.last.send(new ArrayBuffer(1));
  expect(sink.message.mock.calls).toEqual([['{"a":1}']]);
  expect(sink.gap).not.toHaveBeenCalled();
});

test('says when it will try again, and asks for what was missed when it is back', () => {
  network.last.open();
  network.last.drop();
  expect(feed.status()).toEqual({ state: 'reconnecting', retryAt_ms: 1_000_500 });
  vi.advanceTimersByTime(499);
  expect(network.sockets).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(network.sockets).toHaveLength(2);
  expect(feed.status()).toEqual({ state: 'reconnecting', retryAt_ms: null });
  expect(sink.gap).not.toHaveBeenCalled();
  network.last.open();
  expect(state()).toBe('live');
  expect(sink.gap).toHaveBeenCalledTimes(1);
});

test('goes on trying for hours, at growing distances', () => {
  const starts: number[] = [];
  for (let attempt = 0; attempt < 500; attempt += 1) {
    network.last.drop();
    vi.advanceTimersToNextTimer();
    while (network.sockets.length === attempt + 1) vi.advanceTimersToNextTimer();
    starts.push(Date.now());
  }
  const gaps = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
  expect(gaps.slice(0, 6)).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000]);
  expect(new Set(gaps.slice(6))).toEqual(new Set([30_000]));
  network.last.open();
  expect(state()).toBe('live');
});

test('a connection that did not last does not shorten the wait, one that did does', () => {
  network.last.open();
  network.last.drop();
  vi.advanceTimersByTime(500);
  network.last.open();
  vi.advanceTimersByTime(100);
  network.last.drop();
  expect(feed.status().retryAt_ms).toBe(Date.now() + 1000);
  vi.advanceTimersByTime(1000);
  network.last.open();
  vi.advanceTimersByTime(5000);
  network.last.drop();
  expect(feed.status().retryAt_ms).toBe(Date.now() + 500);
});

test('gives up on an attempt that never opens', () => {
  const first = network.last;
  vi.advanceTimersByTime(10_000);
  expect(first.closed).toBe(true);
  expect(state()).toBe('reconnecting');
  vi.advanceTimersByTime(500);
  expect(network.sockets).toHaveLength(2);
});

test('an address that the browser refuses is tried again, too', () => {
  feed.stop();
  const connect = vi.fn(() => {
    throw new SyntaxError('bad url');
  });
  feed = new Feed({ url: 'nonsense', sink, connect, random: () => 1 });
  feed.start();
  expect(state()).toBe('reconnecting');
  vi.advanceTimersByTime(500 + 1000);
  expect(connect).toHaveBeenCalledTimes(3);
});

test('the network coming back and a person looking end the wait', () => {
  network.last.drop();
  window.dispatchEvent(new Event('online'));
  expect(network.sockets).toHaveLength(2);
  window.dispatchEvent(new Event('online'));
  expect(network.sockets).toHaveLength(2);
  network.last.drop();
  document.dispatchEvent(new Event('visibilitychange'));
  expect(network.sockets).toHaveLength(3);
  network.last.drop();
  feed.retryNow();
  expect(network.sockets).toHaveLength(4);
});

test('silence is stale, and the silent connection is made anew', () => {
  const first = network.last;
  first.open();
  first.send('news');
  vi.advanceTimersByTime(150_000);
  expect(state()).toBe('live');
  vi.advanceTimersByTime(5_000);
  expect(first.closed).toBe(true);
  expect(network.sockets).toHaveLength(2);
  sink.message.mockReturnValue(false);
  network.last.open();
  network.last.send('the same as before');
  expect(state()).toBe('stale');
  sink.message.mockReturnValue(true);
  network.last.send('news');
  expect(state()).toBe('live');
});

test('silence alone makes the connection anew at growing distances, until there is news', () => {
  const starts: number[] = [];
  while (Date.now() < 8_200_000) {
    if (network.sockets.length > starts.length) {
      network.last.open();
      starts.push(Date.now());
    }
    vi.advanceTimersByTime(5000);
  }
  const gaps = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
  expect(gaps).toEqual([155_000, 305_000, 605_000, 1_205_000, 2_405_000]);
  expect(state()).toBe('stale');
  network.last.send('news');
  expect(state()).toBe('live');
});

test('what a forgotten socket still says is not heard', () => {
  const first = network.last;
  first.open();
  const { onmessage, onclose } = first;
  feed.stop();
  expect(first.closed).toBe(true);
  expect([first.onopen, first.onmessage, first.onclose]).toEqual([null, null, null]);
  expect(onmessage).not.toBeNull();
  expect(onclose).not.toBeNull();
  vi.advanceTimersByTime(600_000);
  expect(network.sockets).toHaveLength(1);
});

test('listeners hear of changes only', () => {
  const listener = vi.fn();
  const unsubscribe = feed.subscribe(listener);
  network.last.open();
  network.last.send('1');
  network.last.send('2');
  expect(listener).toHaveBeenCalledTimes(1);
  unsubscribe();
  network.last.drop();
  expect(listener).toHaveBeenCalledTimes(1);
});
