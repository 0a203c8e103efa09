import { Suspense, lazy, useMemo, useState } from 'react';
import type { ReactNode } from 'react';
import { summarise } from '../data/history';
import type { Summary } from '../data/history';
import { formatPrice, formatTime } from '../lib/format';
import { Change } from './Change';
import { ErrorBoundary } from './ErrorBoundary';
import styles from './HistoryPanel.module.css';
import { Message } from './Message';
import type { History } from './useHistory';

/** The chart library is fetched with the first chart. */
const HistoryChart = lazy(() => import('./HistoryChart'));

interface ReadoutProps {
  readonly summary: Summary;
  readonly history: History;
  readonly cursor: number | null;
  readonly currency: string;
}

/** The point under the cursor, or else the whole period. */
function Readout({ summary, history, cursor, currency }: ReadoutProps) {
  const point = cursor === null ? undefined : history.points[cursor];
  if (point) {
    return (
      <p className={styles.readout} aria-live="polite">
        <strong>{formatPrice(point.price, currency)}</strong> {formatTime(point.time_ms)}
      </p>
    );
  }
  return (
    <p className={styles.readout}>
      {formatTime(summary.from_ms)} – {formatTime(summary.to_ms)}{' '}
      <Change percent={summary.changePercent} />
    </p>
  );
}

function describe(summary: Summary, count: number, currency: string): string {
  const low = formatPrice(summary.low, currency);
  const high = formatPrice(summary.high, currency);
  const from = formatTime(summary.from_ms);
  const to = formatTime(summary.to_ms);
  return (
    `Line chart of ${count} prices from ${from} to ${to}, between ${low} and ${high}. ` +
    'Arrow keys read single points.'
  );
}

function Instead({ history }: { history: History }) {
  if (history.state === 'loading') return <Message title="Loading the history">One moment…</Message>;
  if (history.state === 'ready') {
    return (
      <Message title="No history yet">The line begins with the first price that arrives.</Message>
    );
  }
  const retry = (
    <button type="button" onClick={history.retry}>
      Try again
    </button>
  );
  return (
    <Message title="The history could not be loaded" tone="error" action={retry}>
      {history.reason} Trying again by itself.
    </Message>
  );
}

/** A failed request is only worth a line while there is something to look at. */
function Warning({ history }: { history: History }) {
  if (history.state !== 'failed') return null;
  return (
    <p className={styles.warning} role="status">
      The history could not be loaded, so some of it may be missing. {history.reason}
    </p>
  );
}

interface Props {
  readonly history: History;
  readonly currency: string;
  /** Stands at the right of the panel's heading. */
  readonly children: ReactNode;
}

export function HistoryPanel({ history, currency, children }: Props) {
  const [cursor, setCursor] = useState<number | null>(null);
  const { points, state } = history;
  const summary = useMemo(() => summarise(points), [points]);
  const count = points.length;
  // The live price alone is no line yet.
  const drawn = state === 'ready' ? count > 0 : state === 'failed' && count > 1;
  return (
    <section className={styles.panel} aria-label="Price history">
      <div className={styles.head}>
        <h3 className={styles.heading}>
          History
          <span className={styles.count} data-testid="history-count" data-count={count}>
            {count === 1 ? '1 point' : `${count.toLocaleString('en-US')} points`}
          </span>
        </h3>
        {children}
      </div>
      {summary !== null && drawn ? (
        <>
          <Warning history={history} />
          <Readout summary={summary} history={history} cursor={cursor} currency={currency} />
          <ErrorBoundary title="The chart could not be shown">
            <Suspense fallback={<Message title="Loading the chart">One moment…</Message>}>
              <HistoryChart
                points={points}
                currency={currency}
                label={describe(summary, count, currency)}
                onCursor={setCursor}
              />
            </Suspense>
          </ErrorBoundary>
        </>
      ) : (
        <Instead history={history} />
      )}
    </section>
  );
}
