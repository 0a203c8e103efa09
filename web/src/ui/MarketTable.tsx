import { useState } from 'react';
import { DEFAULT_SORT, firstSort } from '../data/order';
import type { Sort, SortKey } from '../data/order';
import { CoinRow } from './CoinRow';
import { useFeedStatus, useListStatus, useOrder, useServices } from './context';
import styles from './MarketTable.module.css';
import { Message } from './Message';

interface Column {
  readonly title: string;
  readonly className: string | undefined;
  readonly key: SortKey | null;
  readonly description?: string;
}

const COLUMNS: readonly Column[] = [
  { title: '#', className: styles.rank, key: 'rank', description: 'Rank by market cap' },
  { title: 'Coin', className: styles.name, key: 'name' },
  { title: 'Price', className: styles.price, key: 'price' },
  { title: '24 h', className: styles.change, key: 'changePercent24h', description: 'Change in 24 hours' },
  { title: '24 h range', className: styles.range, key: null, description: 'Price between the lowest and the highest of 24 hours' },
  { title: 'Market cap', className: styles.cap, key: 'marketCap' },
  { title: 'Volume 24 h', className: styles.volume, key: 'volume24h' },
  { title: 'Updated', className: styles.age, key: 'time_ms', description: 'Time since the source last renewed the price' },
];

function ariaSort(column: Column, sort: Sort): 'ascending' | 'descending' | undefined {
  if (column.key !== sort.key) return undefined;
  return sort.descending ? 'descending' : 'ascending';
}

interface HeadProps {
  readonly sort: Sort;
  readonly onSort: (key: SortKey) => void;
}

function Head({ sort, onSort }: HeadProps) {
  return (
    <thead>
      <tr>
        {COLUMNS.map((column) => {
          const { key, title, className, description } = column;
          return (
            <th
              key={title}
              scope="col"
              className={className}
              title={description}
              aria-sort={ariaSort(column, sort)}
            >
              {key === null ? (
                <span className={styles.heading}>{title}</span>
              ) : (
                <button
                  type="button"
                  className={styles.heading}
                  aria-label={description && `${title}: ${description}`}
                  onClick={() => {
                    onSort(key);
                  }}
                >
                  {title}
                </button>
              )}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function Nothing({ filter }: { filter: string }) {
  const { state, reason } = useListStatus();
  const { state: connection } = useFeedStatus();
  const { store } = useServices().market;
  if (store.coinIds().length > 0) {
    return <Message title="No coin matches">Nothing here is called “{filter.trim()}”.</Message>;
  }
  if (state === 'failed') {
    return (
      <Message title="The list of coins could not be loaded" tone="error">
        {reason} Trying again by itself.
      </Message>
    );
  }
  if (state === 'loading') return <Message title="Loading prices">One moment…</Message>;
  return (
    <Message title="No prices yet">
      {connection === 'live'
        ? 'The first ones appear here after the next fetch, usually within a minute.'
        : 'The first ones appear here as soon as the live stream is connected.'}
    </Message>
  );
}

/** A failed list is only worth a line while the stream fills the table. */
function ListWarning() {
  const { state, reason } = useListStatus();
  if (state !== 'failed') return null;
  return (
    <p className={styles.warning} role="status">
      The list of coins could not be loaded, so some may be missing. {reason}
    </p>
  );
}

interface Props {
  readonly filter: string;
  readonly openCoinId: string | null;
}

/** All tracked coins, live. */
export function MarketTable({ filter, openCoinId }: Props) {
  const [sort, setSort] = useState(DEFAULT_SORT);
  const ids = useOrder(sort, filter);
  const onSort = (key: SortKey): void => {
    setSort((now) => (now.key === key ? { key, descending: !now.descending } : firstSort(key)));
  };
  if (ids.length === 0) return <Nothing filter={filter} />;
  return (
    <>
      <ListWarning />
      <table className={styles.table}>
        <caption className="visually-hidden">Tracked coins with their newest prices</caption>
        <Head sort={sort} onSort={onSort} />
        <tbody>
          {ids.map((id) => (
            <CoinRow key={id} id={id} open={id === openCoinId} />
          ))}
        </tbody>
      </table>
    </>
  );
}
