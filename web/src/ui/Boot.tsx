import { useEffect, useState } from 'react';
import { Api, ApiError, fetchConfig } from '../data/api';
import { Market } from '../data/market';
import { Backoff } from '../lib/backoff';
import { formatWait } from '../lib/format';
import { Router } from '../lib/route';
import type { SettingsStore } from '../lib/settings';
import { Ticker } from '../lib/ticker';
import { App } from './App';
import type { Services } from './context';
import { ServicesContext } from './context';
import { Message } from './Message';

const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 15_000;

interface Failure {
  readonly reason: string;
  readonly wait_ms: number;
}

/** Asks for the configuration until there is one, then starts the market. */
function useBoot(settings: SettingsStore): { services: Services | null; failure: Failure | null } {
  const [services, setServices] = useState<Services | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);

  useEffect(() => {
    const backoff = new Backoff(FIRST_WAIT_MS, MAX_WAIT_MS);
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let market: Market | null = null;
    const attempt = async (): Promise<void> => {
      try {
        const config = await fetchConfig(abort.signal);
        market = new Market(config, new Api(config.apiUrl));
        market.start();
        setServices({ market, settings, router: new Router(), ticker: new Ticker() });
      } catch (error) {
        if (abort.signal.aborted) return;
        const wait_ms = backoff.next();
        const reason = error instanceof ApiError ? error.message : 'The page could not start.';
        setFailure({ reason, wait_ms });
        timer = setTimeout(() => void attempt(), wait_ms);
      }
    };
    void attempt();
    return () => {
      abort.abort();
      clearTimeout(timer);
      market?.stop();
    };
  }, [settings]);

  return { services, failure };
}

export function Boot({ settings }: { settings: SettingsStore }) {
  const { services, failure } = useBoot(settings);
  if (services) {
    return (
      <ServicesContext value={services}>
        <App />
      </ServicesContext>
    );
  }
  if (failure) {
    return (
      <Message title="Crypto Pulse is not answering" tone="error" page>
        {failure.reason} Trying again in {formatWait(failure.wait_ms)}.
      </Message>
    );
  }
  return (
    <Message title="Crypto Pulse" page>
      Connecting…
    </Message>
  );
}
