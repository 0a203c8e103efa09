/**
 * Tells silence from trouble. How often news comes depends on the server's poll interval, which
 * the page does not know, so it learns it: news that comes after `gap` is expected again within a
 * few such gaps. Pure: the caller brings the time.
 */

/** What is allowed before anything has been learned: the usual poll is once a minute. */
const START_MS = 150_000;
const MIN_MS = 60_000;
/**
 * A longer silence was an outage, and no measure of the pace. A shorter outage is taken for one
 * until the usual pace has made it forgotten.
 */
const LEARN_MAX_MS = 6 * 3_600_000;
/** How many usual gaps may pass. */
const PATIENCE = 2.5;
/** Updates closer together belong to one poll. */
const BURST_MS = 1000;
/** A new connection brings its snapshot within this. */
const GRACE_MS = 10_000;

export class Staleness {
  #gap_ms: number | null = null;
  #last_ms: number | null = null;
  #stale = false;

  /** Silence that is still normal, in ms. */
  get threshold_ms(): number {
    if (this.#gap_ms === null) return START_MS;
    return Math.max(MIN_MS, PATIENCE * this.#gap_ms);
  }

  /** A connection opened. What was stale stays so until there is news. */
  noteOpen(now_ms: number): void {
    if (this.#stale) return;
    const graceful_ms = now_ms - this.threshold_ms + GRACE_MS;
    this.#last_ms = this.#last_ms === null ? now_ms : Math.max(this.#last_ms, graceful_ms);
  }

  noteNews(now_ms: number): void {
    const gap_ms = now_ms - (this.#last_ms ?? now_ms);
    if (gap_ms > BURST_MS && gap_ms <= LEARN_MAX_MS) {
      // The longest gap of late, slowly forgotten.
      this.#gap_ms = Math.max(gap_ms, (this.#gap_ms ?? 0) * 0.8);
    }
    this.#last_ms = now_ms;
    this.#stale = false;
  }

  /** Whether an open connection has been silent for too long. */
  check(now_ms: number): boolean {
    if (this.#last_ms !== null && now_ms - this.#last_ms > this.threshold_ms) this.#stale = true;
    return this.#stale;
  }
}
