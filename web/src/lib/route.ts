/** The page's addresses: "/" is the market, "/coins/bitcoin" the market with a coin opened. */

export interface Route {
  readonly coinId: string | null;
}

const COIN = /^\/coins\/([^/]+)\/?$/;

export function parseRoute(path: string): Route {
  const encoded = COIN.exec(path)?.[1];
  if (encoded === undefined) return { coinId: null };
  try {
    return { coinId: decodeURIComponent(encoded) };
  } catch {
    return { coinId: null };
  }
}

/** The slash after an id with a dot: a server takes a last part like "yearn.finance" for a file. */
export function routePath(coinId: string | null): string {
  if (coinId === null) return '/';
  const path = `/coins/${encodeURIComponent(coinId)}`;
  return coinId.includes('.') ? `${path}/` : path;
}

/** The browser's address as a store: changes by navigate() and by the back button. */
export class Router {
  readonly #listeners = new Set<() => void>();

  readonly path = (): string => window.location.pathname;

  readonly navigate = (coinId: string | null): void => {
    const path = routePath(coinId);
    if (path === this.path()) return;
    window.history.pushState(null, '', path);
    for (const listener of this.#listeners) listener();
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    window.addEventListener('popstate', listener);
    return () => {
      this.#listeners.delete(listener);
      window.removeEventListener('popstate', listener);
    };
  };
}
