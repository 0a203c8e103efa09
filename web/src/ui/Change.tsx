import { formatPercent } from '../lib/format';
import styles from './Change.module.css';

function trend(text: string): 'up' | 'down' | 'flat' {
  if (text.startsWith('+')) return 'up';
  return text.startsWith('−') ? 'down' : 'flat';
}

/** A change in percent: its sign says what its colour says. */
export function Change({ percent }: { percent: number | undefined }) {
  const text = formatPercent(percent);
  return (
    <span className={styles.change} data-trend={trend(text)}>
      {text}
    </span>
  );
}
