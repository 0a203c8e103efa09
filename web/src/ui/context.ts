/** What every view can reach, and the hooks that read it. */
import { createContext, use, useCallback, useMemo, useSyncExternalStore } from 'react';
import type { Market } from '../data/market';
import { orderSnapshot } from '../data/order';
import type { Sort } from '../data/order';
import type { Coin } from '../data/store';
import type { FeedStatus } from '../data/feed';
import type { ListStatus } from '../data/market';
import type { Quote } from '../data/types';
import { formatAge } from '../lib/format';
import { parseRoute } from '../lib/route';
import type { Route, Router } from '../lib/route';
import type { Settings, SettingsStore } from '../lib/settings';
import type { Ticker } from '../lib/ticker';

export interface Services {
  readonly market: Market;
  readonly settings: SettingsStore;
  readonly router: Router;
  readonly ticker: Ticker;
}

export const ServicesContext = createContext<Services | null>(null);

export function useServices(): Services {
  const services = use(ServicesContext);
  if (services === null) throw new Error('ServicesContext has no value');
  return services;
}

export function useSettings(): Settings {
  const { settings } = useServices();
  return useSyncExternalStore(settings.subscribe, settings.get);
}

export function useRoute(): Route {
  const { router } = useServices();
  const path = useSyncExternalStore(router.subscribe, router.path);
  return useMemo(() => parseRoute(path), [path]);
}

export function useFeedStatus(): FeedStatus {
  const { feed } = useServices().market;
  return useSyncExternalStore(feed.subscribe, feed.status);
}

export function useListStatus(): ListStatus {
  const { market } = useServices();
  return useSyncExternalStore(market.subscribeList, market.listStatus);
}

/** The currencies that there are prices in. */
export function useCurrencies(): readonly string[] {
  const { store } = useServices().market;
  return useSyncExternalStore(store.subscribe, store.currencies);
}

/** The chosen quote currency; the server's default if nothing (or nothing that exists) is chosen. */
export function useCurrency(): string {
  const { config } = useServices().market;
  const { currency } = useSettings();
  const available = useCurrencies();
  if (currency !== null && available.includes(currency)) return currency;
  if (available.length === 0 || available.includes(config.defaultCurrency)) {
    return config.defaultCurrency;
  }
  return available[0] ?? config.defaultCurrency;
}

export interface Row {
  readonly coin: Coin | undefined;
  readonly quote: Quote | undefined;
  readonly currency: string;
}

/** One coin and its newest price in the chosen currency; renders only when one of them changes. */
export function useRow(id: string): Row {
  const { store } = useServices().market;
  const currency = useCurrency();
  const subscribe = useCallback(
    (listener: () => void) => store.subscribeCoin(id, listener),
    [store, id],
  );
  const coin = useSyncExternalStore(subscribe, () => store.coin(id));
  const quote = useSyncExternalStore(subscribe, () => store.quote(id, currency));
  return { coin, quote, currency };
}

/** The ids to show, in order; renders only when the order changes. */
export function useOrder(sort: Sort, filter: string): readonly string[] {
  const { store } = useServices().market;
  const currency = useCurrency();
  const snapshot = useMemo(
    () => orderSnapshot(store, currency, sort, filter),
    [store, currency, sort, filter],
  );
  return useSyncExternalStore(store.subscribe, snapshot);
}

/** How long ago a moment was, in words that keep up with the time. */
export function useAge(time_ms: number): string {
  const { market, ticker } = useServices();
  const age = (): string => formatAge(market.api.clock.at(ticker.now()) - time_ms);
  return useSyncExternalStore(ticker.subscribe, age);
}

/** The time of the last tick of the page's clock. */
export function useNow(): number {
  const { ticker } = useServices();
  return useSyncExternalStore(ticker.subscribe, ticker.now);
}
