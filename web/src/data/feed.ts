/**
 * The live stream: one WebSocket that is kept open for as long as the page lives. It reconnects
 * forever with backoff and jitter, notices silence, and says when a gap may have been missed so
 * that it can be filled through REST. It knows messages as text; its sink knows what they mean.
 */
import { Backoff } from '../lib/backoff';
import { Staleness } from './staleness';

export type ConnectionState =
  /** The first connection is on its way. */
  | 'connecting'
  /** Open, and news arrives at the usual pace. */
  | 'live'
  /** Not open; a further attempt is waiting or under way. */
  | 'reconnecting'
  /** Open, but there has been no news for too long. */
  | 'stale';

/** Immutable: each change is a new object. */
export interface FeedStatus {
  readonly state: ConnectionState;
  /** When the next attempt begins (ms since 1970); null if none is waiting. */
  readonly retryAt_ms: number | null;
}

export interface FeedSink {
  /** Takes a message; true if it brought news. */
  message(text: string): boolean;
  /** The stream is open again after it had been lost: updates may have been missed. */
  gap(): void;
}

/** The part of WebSocket that the feed uses. */
export interface FeedSocket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  close(): void;
}

export interface FeedOptions {
  readonly url: string;
  readonly sink: FeedSink;
  readonly connect?: (url: string) => FeedSocket;
  readonly random?: () => number;
}

const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 30_000;
const OPEN_TIMEOUT_MS = 10_000;
const CHECK_INTERVAL_MS = 5_000;
/** A connection that lasted this long was a good one: the next wait starts from the beginning. */
const SETTLED_MS = 5_000;

export class Feed {
  readonly #url: string;
  readonly #sink: FeedSink;
  readonly #connect: (url: string) => FeedSocket;
  readonly #backoff: Backoff;
  readonly #staleness = new Staleness();
  readonly #listeners = new Set<() => void>();
  #socket: FeedSocket | null = null;
  #opened_ms: number | null = null;
  #hasBeenOpen = false;
  /** How often the connection has been made anew since there was news, for its silence alone. */
  #remade = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #checker: ReturnType<typeof setInterval> | undefined;
  #status: FeedStatus = { state: 'connecting', retryAt_ms: null };

  constructor(options: FeedOptions) {
    this.#url = options.url;
    this.#sink = options.sink;
    this.#connect = options.connect ?? ((url) => new WebSocket(url) as FeedSocket);
    this.#backoff = new Backoff(FIRST_WAIT_MS, MAX_WAIT_MS, options.random);
  }

  readonly status = (): FeedStatus => this.#status;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): void {
    this.#open();
    this.#checker = setInterval(this.#check, CHECK_INTERVAL_MS);
    window.addEventListener('online', this.retryNow);
    document.addEventListener('visibilitychange', this.#onVisibility);
  }

  stop(): void {
    clearInterval(this.#checker);
    window.removeEventListener('online', this.retryNow);
    document.removeEventListener('visibilitychange', this.#onVisibility);
    this.#drop();
  }

  /** Ends a wait: the network is back, or somebody looks at the page again. */
  readonly retryNow = (): void => {
    if (this.#status.retryAt_ms !== null) this.#open();
  };

  readonly #onVisibility = (): void => {
    if (document.hidden) return;
    this.retryNow();
    this.#check();
  };

  #open(): void {
    this.#drop();
    this.#setStatus(this.#hasBeenOpen ? 'reconnecting' : 'connecting');
    this.#timer = setTimeout(this.#lost, OPEN_TIMEOUT_MS);
    let socket: FeedSocket;
    try {
      socket = this.#connect(this.#url);
    } catch {
      // An address that the browser refuses; the configuration may be mended meanwhile.
      this.#lost();
      return;
    }
    this.#socket = socket;
    socket.onopen = this.#onOpen;
    socket.onmessage = (event) => {
      this.#onMessage(event.data);
    };
    socket.onclose = this.#lost;
  }

  readonly #onOpen = (): void => {
    clearTimeout(this.#timer);
    const now_ms = Date.now();
    this.#opened_ms = now_ms;
    this.#staleness.noteOpen(now_ms);
    this.#setOpenStatus(now_ms);
    if (this.#hasBeenOpen) this.#sink.gap();
    this.#hasBeenOpen = true;
  };

  #onMessage(data: unknown): void {
    if (typeof data !== 'string' || !this.#sink.message(data)) return;
    const now_ms = Date.now();
    this.#remade = 0;
    this.#staleness.noteNews(now_ms);
    this.#setOpenStatus(now_ms);
  }

  readonly #lost = (): void => {
    const now_ms = Date.now();
    const settled = this.#opened_ms !== null && now_ms - this.#opened_ms >= SETTLED_MS;
    this.#drop();
    if (settled) this.#backoff.reset();
    const wait_ms = this.#backoff.next();
    this.#timer = setTimeout(() => {
      this.#open();
    }, wait_ms);
    this.#setStatus('reconnecting', now_ms + wait_ms);
  };

  /**
   * A silent connection may be a dead one (a router that forgot it tells nobody), and a page
   * cannot ping: one that has been silent for too long is made anew, each time with twice the
   * patience, because it is more likely that there is no news.
   */
  readonly #check = (): void => {
    const now_ms = Date.now();
    if (this.#opened_ms === null || !this.#staleness.check(now_ms)) return;
    this.#setOpenStatus(now_ms);
    if (now_ms - this.#opened_ms <= this.#staleness.threshold_ms * 2 ** this.#remade) return;
    this.#remade += 1;
    this.#open();
  };

  #setOpenStatus(now_ms: number): void {
    this.#setStatus(this.#staleness.check(now_ms) ? 'stale' : 'live');
  }

  /** Forgets the socket and whatever was waiting, without a word to anyone. */
  #drop(): void {
    clearTimeout(this.#timer);
    this.#opened_ms = null;
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #setStatus(state: ConnectionState, retryAt_ms: number | null = null): void {
    if (this.#status.state === state && this.#status.retryAt_ms === retryAt_ms) return;
    this.#status = { state, retryAt_ms };
    for (const listener of [...this.#listeners]) listener();
  }
}
