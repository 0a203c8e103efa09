/** Exponential backoff with jitter: many browsers that lost one server do not return at once. */
export class Backoff {
  readonly #first_ms: number;
  readonly #max_ms: number;
  readonly #random: () => number;
  #attempt = 0;

  constructor(first_ms: number, max_ms: number, random: () => number = Math.random) {
    this.#first_ms = first_ms;
    this.#max_ms = max_ms;
    this.#random = random;
  }

  /** The next wait in ms: between half and the whole of min(max, first * 2^attempt). */
  next(): number {
    const ceiling_ms = Math.min(this.#max_ms, this.#first_ms * 2 ** this.#attempt);
    this.#attempt += 1;
    return Math.round(ceiling_ms * (0.5 + this.#random() / 2));
  }

  reset(): void {
    this.#attempt = 0;
  }
}
