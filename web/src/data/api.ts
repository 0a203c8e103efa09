/** The REST interface: every request of the page goes through here. */
import { ServerClock } from '../lib/serverClock';
import type { TrackedCoin } from './decode';
import { decodeConfig, decodeCryptos, decodeHistory, decodeProblem } from './decode';
import type { AppConfig, PricePoint } from './types';

/** A request that did not bring what was asked for; the message is fit to be shown. */
export class ApiError extends Error {
  /** The HTTP status, or 0 if there was no answer. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return (await response.json()) as unknown;
  } catch {
    return null;
  }
}

/** GETs JSON. Throws ApiError; an abort comes through as it is. */
async function getJson(url: string, signal?: AbortSignal, clock?: ServerClock): Promise<unknown> {
  const asked_ms = Date.now();
  let response: Response;
  try {
    response = await fetch(url, { headers: { Accept: 'application/json' }, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError('The server cannot be reached.', 0);
  }
  clock?.note(response.headers.get('Date'), asked_ms);
  const body = await readJson(response);
  if (response.ok) return body;
  const reason = decodeProblem(body) ?? `The server answered with an error (${response.status}).`;
  throw new ApiError(reason, response.status);
}

function expect<T>(decoded: T | null, what: string): T {
  if (decoded !== null) return decoded;
  throw new ApiError(`The server's answer is not ${what}.`, 200);
}

/** What the server tells the page about itself. */
export async function fetchConfig(signal?: AbortSignal): Promise<AppConfig> {
  const page = new URL(window.location.href);
  return expect(decodeConfig(await getJson('/config.json', signal), page), 'a configuration');
}

export class Api {
  /** Learns the server's time from every answer. */
  readonly clock = new ServerClock();
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  /** Every tracked coin with its newest prices, by market cap rank. */
  async cryptos(signal?: AbortSignal): Promise<TrackedCoin[]> {
    const body = await this.#get('/cryptos', signal);
    return expect(decodeCryptos(body), 'a list of coins');
  }

  /** The newest `limit` points of a coin, oldest first. */
  async history(
    coinId: string,
    currency: string,
    limit: number,
    signal?: AbortSignal,
  ): Promise<PricePoint[]> {
    const query = new URLSearchParams({ limit: String(limit), currency }).toString();
    const body = await this.#get(`/cryptos/${encodeURIComponent(coinId)}/history?${query}`, signal);
    return expect(decodeHistory(body), 'a price history');
  }

  #get(path: string, signal?: AbortSignal): Promise<unknown> {
    return getJson(this.#base + path, signal, this.clock);
  }
}
