import { describe, expect, test } from 'vitest';
import {
  decodeConfig,
  decodeCryptos,
  decodeHistory,
  decodeMessage,
  decodeProblem,
} from './decode';

const TIME = '2026-11-22T11:22:33.123Z';
const TIME_MS = Date.UTC(2026, 10, 22, 11, 22, 33, 123);

describe('decodeMessage', () => {
  test('reads the plain format with nothing but what is always there', () => {
    const text = `{"coinId":"bitcoin","price":43210.12,"currency":"usd","timestamp":"${TIME}"}`;
    expect(decodeMessage(text)).toEqual({
      coinId: 'bitcoin',
      currency: 'usd',
      price: 43210.12,
      time_ms: TIME_MS,
      details: {},
      identity: {},
    });
  });

  test('reads the details', () => {
    const text =
      `{"coinId":"bitcoin","price":0.000000001223,"currency":"USD","timestamp":"${TIME}",` +
      '"symbol":"btc","name":"Bitcoin","marketCapRank":1,"marketCap":1e12,"volume24h":null,' +
      '"high24h":"x","low24h":1,"change24h":-2,"changePercent24h":-0.5}';
    expect(decodeMessage(text)).toMatchObject({
      price: 1.223e-9,
      currency: 'usd',
      details: { marketCap: 1e12, low24h: 1, change24h: -2, changePercent24h: -0.5 },
      identity: { symbol: 'btc', name: 'Bitcoin', rank: 1 },
    });
  });

  test.each([
    'no json',
    'null',
    '7',
    '[]',
    '{}',
    `{"coinId":"","price":1,"currency":"usd","timestamp":"${TIME}"}`,
    `{"coinId":"a","price":"1","currency":"usd","timestamp":"${TIME}"}`,
    `{"coinId":"a","price":null,"currency":"usd","timestamp":"${TIME}"}`,
    `{"coinId":"a","price":0,"currency":"usd","timestamp":"${TIME}"}`,
    `{"coinId":"a","price":-1,"currency":"usd","timestamp":"${TIME}"}`,
    `{"coinId":"a","price":1e999,"currency":"usd","timestamp":"${TIME}"}`,
    `{"coinId":"a","price":1,"timestamp":"${TIME}"}`,
    '{"coinId":"a","price":1,"currency":"usd","timestamp":"yesterday"}',
    '{"coinId":"a","price":1,"currency":"usd","timestamp":7}',
  ])('passes over %s', (text) => {
    expect(decodeMessage(text)).toBeNull();
  });
});

test('the list keeps coins without a price and drops what is not a coin', () => {
  const coins = decodeCryptos({
    trackedCoins: [
      {
        id: 'bitcoin',
        symbol: 'btc',
        name: 'Bitcoin',
        marketCapRank: 1,
        prices: [
          { currency: 'usd', price: 1, timestamp: TIME, marketCap: 2 },
          { currency: 'eur', price: null, timestamp: TIME },
        ],
      },
      { id: 'new', symbol: null, name: null, marketCapRank: null, prices: [] },
      { id: 'odd' },
      { name: 'no id' },
      null,
    ],
    count: 5,
  });
  expect(coins?.map((coin) => [coin.id, coin.updates.length])).toEqual([
    ['bitcoin', 1],
    ['new', 0],
    ['odd', 0],
  ]);
  expect(coins?.[0]?.updates[0]).toMatchObject({
    coinId: 'bitcoin',
    details: { marketCap: 2 },
    identity: { name: 'Bitcoin', rank: 1 },
  });
  expect(coins?.[1]?.identity).toEqual({});
  expect(decodeCryptos({ error: 'x' })).toBeNull();
  expect(decodeCryptos([])).toBeNull();
});

test('the history drops what is not a point', () => {
  const priceHistory = [{ price: 1, currency: 'usd', timestamp: TIME }, { price: 2 }, null];
  expect(decodeHistory({ priceHistory })).toEqual([{ price: 1, time_ms: TIME_MS }]);
  expect(decodeHistory({})).toBeNull();
});

test.each([
  [{ title: 'Not Found', detail: 'No such coin.' }, 'No such coin.'],
  [{ title: 'Not Found' }, 'Not Found'],
  [{ detail: 7 }, null],
  ['<html>', null],
])('a problem %o says %s', (body, text) => {
  expect(decodeProblem(body)).toBe(text);
});

describe('decodeConfig', () => {
  const body = {
    apiUrl: '/api/v1/',
    websocketUrl: '',
    websocketPort: 8081,
    defaultCurrency: 'EUR',
    version: '1.2.3',
  };

  test('derives the stream from the page where no address is given', () => {
    expect(decodeConfig(body, new URL('http://host:3000/coins/x'))).toEqual({
      apiUrl: '/api/v1',
      websocketUrl: 'ws://host:8081/',
      defaultCurrency: 'eur',
      version: '1.2.3',
    });
    expect(decodeConfig(body, new URL('https://host/'))?.websocketUrl).toBe('wss://host:8081/');
    expect(decodeConfig(body, new URL('http://[::1]:3000/'))?.websocketUrl).toBe('ws://[::1]:8081/');
  });

  test('takes a given address as it is', () => {
    const given = { ...body, websocketUrl: 'wss://stream.example/live' };
    const config = decodeConfig(given, new URL('http://host:3000/'));
    expect(config?.websocketUrl).toBe('wss://stream.example/live');
  });

  test('is nothing without an address of the API', () => {
    expect(decodeConfig({}, new URL('http://host/'))).toBeNull();
    expect(decodeConfig('<!doctype html>', new URL('http://host/'))).toBeNull();
  });
});
