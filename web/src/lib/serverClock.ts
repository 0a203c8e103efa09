/**
 * What time the server has, as its answers tell it: the browser's own clock may be wrong, and ages
 * of prices are measured against the clock of the host that fetched them.
 */

/** A Date header tells whole seconds, and an answer takes its time: less is no difference. */
const IGNORED_MS = 2000;

export class ServerClock {
  #ahead_ms = 0;

  /** An answer came just now whose Date header says `date`; it was asked for at `asked_ms`. */
  note(date: string | null, asked_ms: number): void {
    const date_ms = date === null ? NaN : Date.parse(date);
    if (Number.isNaN(date_ms)) return;
    const ahead_ms = date_ms + 500 - (asked_ms + Date.now()) / 2;
    this.#ahead_ms = Math.abs(ahead_ms) < IGNORED_MS ? 0 : ahead_ms;
  }

  /** The server's time at a moment of the browser's clock, both in ms since 1970. */
  at(browser_ms: number): number {
    return browser_ms + this.#ahead_ms;
  }
}
