import type { ConnectionState as State } from '../data/feed';
import { formatWait } from '../lib/format';
import { useFeedStatus, useNow, useServices } from './context';
import styles from './ConnectionState.module.css';

const NAMES: Readonly<Record<State, string>> = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  stale: 'Stale',
};

const EXPLANATIONS: Readonly<Record<State, string>> = {
  connecting: 'The live stream is being opened.',
  live: 'Prices arrive as they change.',
  reconnecting: 'The live stream is lost; the prices shown are the last known ones.',
  stale: 'The live stream is open, but no new price has come for longer than usual.',
};

function Countdown({ retryAt_ms }: { retryAt_ms: number }) {
  const wait_ms = retryAt_ms - useNow();
  return <span className={styles.wait}>{wait_ms > 0 ? `in ${formatWait(wait_ms)}` : 'now'}</span>;
}

/** Always visible. Screen readers hear each change of state, but not the countdown. */
export function ConnectionState() {
  const { feed } = useServices().market;
  const { state, retryAt_ms } = useFeedStatus();
  return (
    <div className={styles.connection} data-state={state} title={EXPLANATIONS[state]}>
      <span className={styles.dot} aria-hidden="true" />
      <span data-testid="connection-state" data-state={state} role="status" aria-live="polite">
        {NAMES[state]}
      </span>
      {retryAt_ms !== null && (
        <>
          <Countdown retryAt_ms={retryAt_ms} />
          <button type="button" className={styles.retry} onClick={feed.retryNow}>
            Now
          </button>
        </>
      )}
    </div>
  );
}
