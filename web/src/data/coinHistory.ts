/**
 * One coin's history, outside React: what REST brought and what the stream has added since. A
 * request that fails is repeated with backoff, and costs nothing of what there is.
 */
import { Backoff } from '../lib/backoff';
import { ApiError } from './api';
import { appendPoint, mergePoints } from './history';
import type { Market } from './market';
import type { PricePoint } from './types';

/** Immutable: each change is a new object. */
export interface HistoryState {
  readonly points: readonly PricePoint[];
  /** How the newest request went; while one is repeated, the one before. */
  readonly state: 'loading' | 'ready' | 'failed';
  /** Why it failed, for people. */
  readonly reason: string;
  /** The coin is not one that the server tracks. */
  readonly unknown: boolean;
}

const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 60_000;

export class CoinHistory {
  readonly #market: Market;
  readonly #id: string;
  readonly #currency: string;
  readonly #limit: number;
  readonly #backoff = new Backoff(FIRST_WAIT_MS, MAX_WAIT_MS);
  readonly #listeners = new Set<() => void>();
  #state: HistoryState = { points: [], state: 'loading', reason: '', unknown: false };
  #loading: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unsubscribe: readonly (() => void)[] = [];

  constructor(market: Market, id: string, currency: string, limit: number) {
    this.#market = market;
    this.#id = id;
    this.#currency = currency;
    this.#limit = limit;
  }

  readonly get = (): HistoryState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): void {
    const { store } = this.#market;
    this.#unsubscribe = [
      store.subscribeCoin(this.#id, this.#onFlush),
      this.#market.subscribeGap(this.retry),
    ];
    this.#addLive();
    this.retry();
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#cancel();
  }

  /** Asks again at once. */
  readonly retry = (): void => {
    this.#backoff.reset();
    void this.#load();
  };

  readonly #onFlush = (): void => {
    this.#addLive();
    this.#announce();
  };

  #addLive(): void {
    const quote = this.#market.store.quote(this.#id, this.#currency);
    if (!quote) return;
    const point = { time_ms: quote.time_ms, price: quote.price };
    const points = appendPoint(this.#state.points, point, this.#limit);
    if (points !== this.#state.points) this.#state = { ...this.#state, points };
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    this.#loading?.abort();
  }

  async #load(): Promise<void> {
    this.#cancel();
    const loading = new AbortController();
    this.#loading = loading;
    const { api } = this.#market;
    try {
      const points = await api.history(this.#id, this.#currency, this.#limit, loading.signal);
      if (!loading.signal.aborted) this.#loaded(points);
    } catch (error) {
      if (!loading.signal.aborted) this.#failed(error);
    }
  }

  #loaded(loaded: readonly PricePoint[]): void {
    const points = mergePoints(loaded, this.#state.points, this.#limit);
    this.#state = { points, state: 'ready', reason: '', unknown: false };
    this.#announce();
  }

  #failed(error: unknown): void {
    const known = error instanceof ApiError;
    this.#state = {
      ...this.#state,
      state: 'failed',
      reason: known ? error.message : 'The history could not be read.',
      unknown: known && error.status === 404,
    };
    this.#announce();
    this.#loadLater();
  }

  #loadLater(): void {
    this.#timer = setTimeout(() => void this.#load(), this.#backoff.next());
  }

  #announce(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
