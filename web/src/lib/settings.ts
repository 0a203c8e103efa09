/**
 * What a person chose on this browser, kept in localStorage. Whatever is stored there is checked:
 * another version of the page, or a person, may have written it. Storage that is full or
 * forbidden costs the memory of a choice, nothing else.
 */

export type Theme = 'auto' | 'light' | 'dark';

export interface Settings {
  /** Quote currency, lower case; null follows the server's default. */
  readonly currency: string | null;
  readonly theme: Theme;
  /** How many points of history a coin's chart begins with. */
  readonly historyLimit: number;
}

export const THEMES: readonly Theme[] = ['auto', 'light', 'dark'];
export const HISTORY_LIMITS: readonly number[] = [100, 500, 2000, 10_000];

const KEY = 'crypto-pulse.settings';
const DEFAULTS: Settings = { currency: null, theme: 'auto', historyLimit: 500 };

/** Reads settings from their stored text; what is not valid gets its default. */
export function parseSettings(text: string | null): Settings {
  let stored: unknown;
  try {
    stored = text === null ? {} : JSON.parse(text);
  } catch {
    return DEFAULTS;
  }
  if (typeof stored !== 'object' || stored === null) return DEFAULTS;
  const { currency, theme, historyLimit } = stored as Record<string, unknown>;
  return {
    currency: typeof currency === 'string' && /^[a-z]{2,10}$/.test(currency) ? currency : null,
    theme: THEMES.find((known) => known === theme) ?? DEFAULTS.theme,
    historyLimit: HISTORY_LIMITS.find((known) => known === historyLimit) ?? DEFAULTS.historyLimit,
  };
}

export type SettingsStorage = Pick<Storage, 'getItem' | 'setItem'>;

/** Holds the settings and tells its listeners of each change. */
export class SettingsStore {
  readonly #storage: SettingsStorage | null;
  readonly #listeners = new Set<() => void>();
  #current: Settings;

  constructor(storage: SettingsStorage | null) {
    this.#storage = storage;
    this.#current = parseSettings(this.#read());
  }

  readonly get = (): Settings => this.#current;

  readonly update = (change: Partial<Settings>): void => {
    this.#current = { ...this.#current, ...change };
    this.#write();
    for (const listener of this.#listeners) listener();
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #read(): string | null {
    try {
      return this.#storage?.getItem(KEY) ?? null;
    } catch {
      return null;
    }
  }

  #write(): void {
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.#current));
    } catch {
      // Private mode or a full disk: the choice lives as long as the page.
    }
  }
}

/** localStorage, or null where even looking at it throws (cookies forbidden). */
export function browserStorage(): SettingsStorage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}
