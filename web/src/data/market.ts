/**
 * Puts the parts together: stream -> store, the list of coins through REST, and a fresh list
 * whenever the stream had a gap. The stream is opened first and the list is merged into what it
 * has brought, so nothing is lost between the two.
 */
import { Backoff } from '../lib/backoff';
import type { Api } from './api';
import { ApiError } from './api';
import { decodeMessage } from './decode';
import type { FeedOptions } from './feed';
import { Feed } from './feed';
import { MarketStore } from './store';
import type { AppConfig, PriceUpdate } from './types';

/** How the list of coins is doing. */
export interface ListStatus {
  readonly state: 'loading' | 'ready' | 'failed';
  /** Why it failed, for people. */
  readonly reason: string;
}

/**
 * A price older than this is no sign of life: a server whose fetcher has stopped sends its last
 * prices to whoever connects.
 */
const NEWS_MAX_AGE_MS = 900_000;

const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 60_000;

export class Market {
  readonly config: AppConfig;
  readonly api: Api;
  readonly store: MarketStore;
  readonly feed: Feed;
  readonly #backoff = new Backoff(FIRST_WAIT_MS, MAX_WAIT_MS);
  readonly #listeners = new Set<() => void>();
  readonly #gapListeners = new Set<() => void>();
  readonly #updateListeners = new Set<(update: PriceUpdate) => void>();
  #list: ListStatus = { state: 'loading', reason: '' };
  #loading: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    config: AppConfig,
    api: Api,
    store: MarketStore = new MarketStore(),
    connect?: FeedOptions['connect'],
  ) {
    this.config = config;
    this.api = api;
    this.store = store;
    this.feed = new Feed({
      url: config.websocketUrl,
      sink: { message: this.#onMessage, gap: this.#onGap },
      ...(connect && { connect }),
    });
  }

  start(): void {
    this.feed.start();
    void this.#load();
  }

  stop(): void {
    this.feed.stop();
    clearTimeout(this.#timer);
    this.#loading?.abort();
  }

  readonly listStatus = (): ListStatus => this.#list;

  readonly subscribeList = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Calls back whenever the stream is open again and updates may have been missed. */
  subscribeGap(listener: () => void): () => void {
    this.#gapListeners.add(listener);
    return () => this.#gapListeners.delete(listener);
  }

  /** Calls back with every price of the stream, at once: before the store flushes it. */
  subscribeUpdates(listener: (update: PriceUpdate) => void): () => void {
    this.#updateListeners.add(listener);
    return () => this.#updateListeners.delete(listener);
  }

  readonly #onMessage = (text: string): boolean => {
    const update = decodeMessage(text);
    if (update === null) return false;
    for (const listener of [...this.#updateListeners]) listener(update);
    if (!this.store.apply(update)) return false;
    return this.api.clock.at(Date.now()) - update.time_ms < NEWS_MAX_AGE_MS;
  };

  readonly #onGap = (): void => {
    void this.#load();
    for (const listener of [...this.#gapListeners]) listener();
  };

  async #load(): Promise<void> {
    clearTimeout(this.#timer);
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    try {
      const coins = await this.api.cryptos(loading.signal);
      if (loading.signal.aborted) return;
      this.store.merge(coins);
      this.#backoff.reset();
      this.#setList({ state: 'ready', reason: '' });
    } catch (error) {
      if (!loading.signal.aborted) this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const reason = error instanceof ApiError ? error.message : 'The list could not be read.';
    this.#setList({ state: 'failed', reason });
    this.#timer = setTimeout(() => void this.#load(), this.#backoff.next());
  }

  #setList(list: ListStatus): void {
    this.#list = list;
    for (const listener of [...this.#listeners]) listener();
  }
}
