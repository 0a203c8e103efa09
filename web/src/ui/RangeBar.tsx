import type { Quote } from '../data/types';
import { formatPrice } from '../lib/format';
import styles from './RangeBar.module.css';

/** Where a value lies between low and high, from 0 to 1; null if that cannot be said. */
export function rangePosition(
  value: number,
  low: number | undefined,
  high: number | undefined,
): number | null {
  if (low === undefined || high === undefined || !(high > low)) return null;
  // A live price leaves the range that was last told before the range is told anew.
  return Math.min(1, Math.max(0, (value - low) / (high - low)));
}

/** The price between the lowest and the highest of the last 24 hours. */
export function RangeBar({ quote }: { quote: Quote | undefined }) {
  const position = quote ? rangePosition(quote.price, quote.low24h, quote.high24h) : null;
  if (!quote || position === null) return <span className={styles.unknown}>–</span>;
  const low = formatPrice(quote.low24h, quote.currency);
  const high = formatPrice(quote.high24h, quote.currency);
  const label = `${Math.round(position * 100)}% of the way from ${low} to ${high}`;
  return (
    <span className={styles.range} role="img" aria-label={label} title={`${low} – ${high}`}>
      <span className={styles.mark} style={{ left: `${position * 100}%` }} />
    </span>
  );
}
