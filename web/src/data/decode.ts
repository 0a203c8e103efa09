/**
 * From the server's JSON to the page's types. Nothing that comes over a wire is trusted: what does
 * not have the right shape is passed over (null), and an odd detail costs that detail only.
 */
import type { AppConfig, CoinIdentity, PricePoint, PriceUpdate, QuoteDetails } from './types';

type Fields = Readonly<Record<string, unknown>>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const DETAILS = [
  'marketCap',
  'volume24h',
  'high24h',
  'low24h',
  'change24h',
  'changePercent24h',
] as const satisfies readonly (keyof QuoteDetails)[];

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function decodeTime(value: unknown): number | null {
  const time_ms = typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isNaN(time_ms) ? null : time_ms;
}

function decodeDetails(fields: Fields): QuoteDetails {
  const details: Mutable<QuoteDetails> = {};
  for (const name of DETAILS) {
    const value = fields[name];
    if (isNumber(value)) details[name] = value;
  }
  return details;
}

function decodeIdentity(fields: Fields): CoinIdentity {
  const identity: Mutable<CoinIdentity> = {};
  const { symbol, name, marketCapRank } = fields;
  if (isText(symbol)) identity.symbol = symbol;
  if (isText(name)) identity.name = name;
  if (isNumber(marketCapRank) && marketCapRank > 0) identity.rank = marketCapRank;
  return identity;
}

function decodePoint(fields: Fields): PricePoint | null {
  const time_ms = decodeTime(fields['timestamp']);
  const price = fields['price'];
  if (time_ms === null || !isNumber(price) || price <= 0) return null;
  return { time_ms, price };
}

/** One price object; coin says whose it is, and who that is. */
function decodeQuote(coinId: unknown, value: unknown, coin: Fields): PriceUpdate | null {
  if (!isText(coinId) || !isFields(value) || !isText(value['currency'])) return null;
  const point = decodePoint(value);
  if (point === null) return null;
  return {
    coinId,
    currency: value['currency'].toLowerCase(),
    ...point,
    details: decodeDetails(value),
    identity: decodeIdentity(coin),
  };
}

/** A message of the live stream, in the plain format. */
export function decodeMessage(text: string): PriceUpdate | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return isFields(value) ? decodeQuote(value['coinId'], value, value) : null;
}

export interface TrackedCoin {
  readonly id: string;
  readonly identity: CoinIdentity;
  readonly updates: readonly PriceUpdate[];
}

function decodeTrackedCoin(value: unknown): TrackedCoin | null {
  if (!isFields(value) || !isText(value['id'])) return null;
  const id = value['id'];
  const prices: readonly unknown[] = Array.isArray(value['prices']) ? value['prices'] : [];
  const updates = prices
    .map((price) => decodeQuote(id, price, value))
    .filter((update) => update !== null);
  return { id, identity: decodeIdentity(value), updates };
}

/** The body of GET /cryptos; null if it is something else altogether. */
export function decodeCryptos(body: unknown): TrackedCoin[] | null {
  if (!isFields(body) || !Array.isArray(body['trackedCoins'])) return null;
  const coins: readonly unknown[] = body['trackedCoins'];
  return coins.map(decodeTrackedCoin).filter((coin) => coin !== null);
}

/** The body of GET /cryptos/{id}/history; null if it is something else altogether. */
export function decodeHistory(body: unknown): PricePoint[] | null {
  if (!isFields(body) || !Array.isArray(body['priceHistory'])) return null;
  const points: readonly unknown[] = body['priceHistory'];
  return points
    .map((point) => (isFields(point) ? decodePoint(point) : null))
    .filter((point) => point !== null);
}

/** The `detail` (or else the `title`) of an RFC 9457 problem document. */
export function decodeProblem(body: unknown): string | null {
  if (!isFields(body)) return null;
  return [body['detail'], body['title']].find(isText) ?? null;
}

/** The body of GET /config.json, for a page that was loaded from `page`. */
export function decodeConfig(body: unknown, page: URL): AppConfig | null {
  if (!isFields(body) || !isText(body['apiUrl'])) return null;
  const { apiUrl, websocketUrl, websocketPort, defaultCurrency, version } = body;
  const scheme = page.protocol === 'https:' ? 'wss:' : 'ws:';
  const port = isNumber(websocketPort) ? `:${websocketPort}` : '';
  return {
    apiUrl: apiUrl.replace(/\/+$/, ''),
    websocketUrl: isText(websocketUrl) ? websocketUrl : `${scheme}//${page.hostname}${port}/`,
    defaultCurrency: isText(defaultCurrency) ? defaultCurrency.toLowerCase() : 'usd',
    version: isText(version) ? version : '',
  };
}
