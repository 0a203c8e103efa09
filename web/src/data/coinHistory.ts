/**
 * One coin's history, outside React: what REST brought and what the stream has added since. A
 * request that fails is repeated with backoff, and costs nothing of what there is. So is one whose
 * answer ends before the stream began: the stream does not wait for the database.
 */
import { Backoff } from '../lib/backoff';
import { ApiError } from './api';
import { appendPoint, mergePoints } from './history';
import type { Market } from './market';
import type { PricePoint, PriceUpdate, Quote } from './types';

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
/** How often an answer that ends too early is asked for again: some five minutes. */
const MAX_REPEATS = 10;

export class CoinHistory {
  readonly #market: Market;
  readonly #id: string;
  readonly #currency: string;
  readonly #limit: number;
  readonly #backoff = new Backoff(FIRST_WAIT_MS, MAX_WAIT_MS);
  readonly #listeners = new Set<() => void>();
  #state: HistoryState = { points: [], state: 'loading', reason: '', unknown: false };
  /** Where the stream began, when it was last opened; null before its first price. */
  #joined_ms: number | null = null;
  /** Where the newest answer ended; null before there is one, and while another is awaited. */
  #reached_ms: number | null = null;
  #repeats = 0;
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
    const { store, feed } = this.#market;
    this.#unsubscribe = [
      this.#market.subscribeUpdates(this.#onUpdate),
      store.subscribeCoin(this.#id, this.#onFlush),
      this.#market.subscribeGap(this.#onGap),
    ];
    document.addEventListener('visibilitychange', this.#onVisibility);
    const quote = this.#appendQuote();
    const { state } = feed.status();
    if (quote && (state === 'live' || state === 'stale')) this.#joined_ms = quote.time_ms;
    this.retry();
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    document.removeEventListener('visibilitychange', this.#onVisibility);
    this.#cancel();
  }

  /** Asks again at once. */
  readonly retry = (): void => {
    this.#backoff.reset();
    this.#repeats = 0;
    void this.#load();
  };

  readonly #onGap = (): void => {
    this.#joined_ms = null;
    this.retry();
  };

  /** A page in the background may have been halted. */
  readonly #onVisibility = (): void => {
    if (!document.hidden) this.retry();
  };

  readonly #onUpdate = (update: PriceUpdate): void => {
    if (update.coinId !== this.#id || update.currency !== this.#currency) return;
    this.#append(update);
    if (this.#joined_ms !== null) return;
    this.#joined_ms = update.time_ms;
    this.#repeatIfShort();
  };

  /** The list of coins brings prices, too; what the stream brought is shown with everything else. */
  readonly #onFlush = (): void => {
    this.#appendQuote();
    this.#announce();
  };

  #appendQuote(): Quote | undefined {
    const quote = this.#market.store.quote(this.#id, this.#currency);
    if (quote) this.#append(quote);
    return quote;
  }

  #append({ time_ms, price }: PricePoint): void {
    const points = appendPoint(this.#state.points, { time_ms, price }, this.#limit);
    if (points !== this.#state.points) this.#state = { ...this.#state, points };
  }

  /** Points are missing between an answer's end and the stream's beginning. */
  #repeatIfShort(): void {
    if (this.#joined_ms === null || this.#reached_ms === null) return;
    if (this.#reached_ms >= this.#joined_ms || this.#repeats === MAX_REPEATS) return;
    this.#repeats += 1;
    this.#loadLater();
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    this.#loading?.abort();
  }

  async #load(): Promise<void> {
    this.#cancel();
    this.#reached_ms = null;
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
    this.#reached_ms = loaded.at(-1)?.time_ms ?? 0;
    this.#announce();
    this.#repeatIfShort();
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

  readonly #announce = (): void => {
    for (const listener of [...this.#listeners]) listener();
  };
}
