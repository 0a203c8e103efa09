/** A coin's history as a view needs it: begun when the view is shown, ended with it. */
import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { CoinHistory } from '../data/coinHistory';
import type { HistoryState } from '../data/coinHistory';
import { useServices } from './context';

export interface History extends HistoryState {
  readonly retry: () => void;
}

export function useHistory(id: string, currency: string, limit: number): History {
  const { market } = useServices();
  const history = useMemo(
    () => new CoinHistory(market, id, currency, limit),
    [market, id, currency, limit],
  );
  useEffect(() => {
    history.start();
    return () => {
      history.stop();
    };
  }, [history]);
  const state = useSyncExternalStore(history.subscribe, history.get);
  return { ...state, retry: history.retry };
}
