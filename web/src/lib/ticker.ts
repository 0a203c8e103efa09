/**
 * The page's clock: one timer for everything that shows an age, however many there are. It rests
 * while nobody listens.
 */
export class Ticker {
  readonly #interval_ms: number;
  readonly #listeners = new Set<() => void>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #now = Date.now();

  constructor(interval_ms = 1000) {
    this.#interval_ms = interval_ms;
  }

  /** The time of the last tick, in ms: the same for all who ask within a tick. */
  readonly now = (): number => this.#now;

  readonly subscribe = (listener: () => void): (() => void) => {
    if (this.#listeners.size === 0) this.#start();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) clearInterval(this.#timer);
    };
  };

  #start(): void {
    this.#now = Date.now();
    this.#timer = setInterval(() => {
      this.#now = Date.now();
      for (const listener of this.#listeners) listener();
    }, this.#interval_ms);
  }
}
