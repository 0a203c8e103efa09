import { coinName } from '../data/order';
import { overviewOf } from '../data/overview';
import { formatCompact } from '../lib/format';
import { Change } from './Change';
import { CoinLink } from './CoinLink';
import { useCurrency, useNow, useRow, useServices } from './context';
import styles from './Overview.module.css';
import { Price } from './Price';
import { Stat, Stats } from './Stats';

const TOP = 20;

function Mover({ id }: { id: string }) {
  const { coin, quote, currency } = useRow(id);
  return (
    <li>
      <CoinLink id={id} className={styles.mover}>
        <span className={styles.name}>{coin ? coinName(coin) : id}</span>
        <Price quote={quote} currency={currency} short />
        <Change percent={quote?.changePercent24h} />
      </CoinLink>
    </li>
  );
}

function Movers({ title, ids }: { title: string; ids: readonly string[] }) {
  if (ids.length === 0) return null;
  return (
    <div className={styles.movers}>
      <h2 className={styles.heading}>{title}</h2>
      <ol className={styles.list}>
        {ids.map((id) => (
          <Mover key={id} id={id} />
        ))}
      </ol>
    </div>
  );
}

function Breadth({ rising, falling, total }: { rising: number; falling: number; total: number }) {
  const label = `${rising} of ${total} coins are up over 24 hours, ${falling} are down`;
  return (
    <div className={styles.breadth}>
      <div className={styles.counts} aria-hidden="true">
        <span className={styles.rising}>{rising} up</span>
        <span className={styles.falling}>{falling} down</span>
      </div>
      <div className={styles.bar} role="img" aria-label={label}>
        <span className={styles.up} style={{ flexGrow: rising }} />
        <span className={styles.flat} style={{ flexGrow: total - rising - falling }} />
        <span className={styles.down} style={{ flexGrow: falling }} />
      </div>
    </div>
  );
}

/** What stands beside the table while no coin is opened; renewed with the page's clock. */
export function Overview() {
  const { store } = useServices().market;
  const currency = useCurrency();
  useNow();
  const { rising, falling, unchanged, marketCap, volume24h, gainers, losers } = overviewOf(
    store,
    currency,
    TOP,
  );
  const total = rising + falling + unchanged;
  if (total === 0) return null;
  return (
    <div className={styles.overview}>
      <h2 className={styles.title}>Market, last 24 hours</h2>
      <Breadth rising={rising} falling={falling} total={total} />
      <Stats>
        <Stat name="Market cap of these coins">{formatCompact(marketCap, currency)}</Stat>
        <Stat name="Volume 24 h">{formatCompact(volume24h, currency)}</Stat>
      </Stats>
      <div className={styles.columns}>
        <Movers title="Rising most" ids={gainers} />
        <Movers title="Falling most" ids={losers} />
      </div>
    </div>
  );
}
