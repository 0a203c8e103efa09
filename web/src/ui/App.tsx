import { useDeferredValue, useEffect, useState } from 'react';
import styles from './App.module.css';
import { CoinView } from './CoinView';
import { useRoute } from './context';
import { Header } from './Header';
import { MarketTable } from './MarketTable';
import { Overview } from './Overview';
import { useEscapeCloses, useFocusGoesAlong } from './useKeyboard';

/** The market on the left; beside it (on a phone: above it) the opened coin. */
export function App() {
  const { coinId } = useRoute();
  const [filter, setFilter] = useState('');
  const deferredFilter = useDeferredValue(filter);

  useFocusGoesAlong(coinId);
  useEscapeCloses(coinId);
  useEffect(() => {
    if (coinId === null) document.title = 'Crypto Pulse';
  }, [coinId]);

  return (
    <div className={styles.app} data-coin-open={coinId !== null}>
      <Header filter={filter} onFilter={setFilter} />
      <main className={styles.main}>
        <section className={styles.market} aria-label="Market">
          <MarketTable filter={deferredFilter} openCoinId={coinId} />
        </section>
        <section className={styles.side} aria-label={coinId === null ? 'Overview' : 'Coin'}>
          {coinId === null ? <Overview /> : <CoinView key={coinId} id={coinId} />}
        </section>
      </main>
    </div>
  );
}
