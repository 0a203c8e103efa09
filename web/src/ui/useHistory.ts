/** A coin's history as a view needs it: loaded, going on live, and whole again after a gap. */
import { useCallback, useEffect, useState } from 'react';
import { ApiError } from '../data/api';
import { appendPoint, mergePoints } from '../data/history';
import type { PricePoint } from '../data/types';
import { useServices } from './context';

export interface History {
  readonly points: readonly PricePoint[];
  readonly state: 'loading' | 'ready' | 'failed';
  /** Why it failed, for people. */
  readonly reason: string;
  /** The coin is not one that the server tracks. */
  readonly unknown: boolean;
  readonly retry: () => void;
}

interface Loaded {
  /** Which history this is: whatever belongs to another one is not shown. */
  readonly key: string;
  readonly points: readonly PricePoint[];
  readonly state: History['state'];
  readonly reason: string;
  readonly unknown: boolean;
}

const nothing = (key: string): Loaded => ({
  key,
  points: [],
  state: 'loading',
  reason: '',
  unknown: false,
});

function failure(error: unknown): Pick<Loaded, 'state' | 'reason' | 'unknown'> {
  const known = error instanceof ApiError;
  return {
    state: 'failed',
    reason: known ? error.message : 'The history could not be read.',
    unknown: known && error.status === 404,
  };
}

export function useHistory(id: string, currency: string, limit: number): History {
  const { market } = useServices();
  const key = `${id} ${currency} ${limit}`;
  const [loaded, setLoaded] = useState<Loaded>(() => nothing(key));
  const [attempt, setAttempt] = useState(0);
  const retry = useCallback(() => {
    setAttempt((count) => count + 1);
  }, []);

  useEffect(() => {
    const change = (next: (current: Loaded) => Partial<Loaded>): void => {
      setLoaded((stored) => {
        const current = stored.key === key ? stored : nothing(key);
        return { ...current, ...next(current) };
      });
    };
    const abort = new AbortController();
    market.api.history(id, currency, limit, abort.signal).then(
      (points) => {
        change((now) => ({
          points: mergePoints(points, now.points, limit),
          state: 'ready',
          reason: '',
          unknown: false,
        }));
      },
      (error: unknown) => {
        if (!abort.signal.aborted) change(() => failure(error));
      },
    );
    const addLive = (): void => {
      const quote = market.store.quote(id, currency);
      if (!quote) return;
      const point = { time_ms: quote.time_ms, price: quote.price };
      change((now) => ({ points: appendPoint(now.points, point, limit) }));
    };
    addLive();
    const unsubscribe = market.store.subscribeCoin(id, addLive);
    return () => {
      abort.abort();
      unsubscribe();
    };
  }, [market, key, id, currency, limit, attempt]);

  useEffect(() => market.subscribeGap(retry), [market, retry]);

  const { points, state, reason, unknown } = loaded.key === key ? loaded : nothing(key);
  return { points, state, reason, unknown, retry };
}
