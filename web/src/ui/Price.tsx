import { formatExact, formatPrice } from '../lib/format';
import type { Quote } from '../data/types';
import styles from './Price.module.css';

interface Props {
  readonly quote: Quote | undefined;
  readonly currency: string;
  readonly testId?: string;
}

/**
 * A price that lights up when it changes. The number of changes is odd or even in turn, which
 * swaps between two equal animations and so starts one anew for each change.
 */
export function Price({ quote, currency, testId }: Props) {
  const flash = quote && quote.changes > 0 ? `${quote.direction}-${quote.changes % 2}` : undefined;
  return (
    <span
      className={styles.price}
      data-flash={flash}
      data-testid={testId}
      title={quote && formatExact(quote.price, currency)}
    >
      {formatPrice(quote?.price, currency)}
    </span>
  );
}
