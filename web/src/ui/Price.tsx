import { formatExact, formatPrice, formatShortPrice } from '../lib/format';
import type { Quote } from '../data/types';
import styles from './Price.module.css';

interface Props {
  readonly quote: Quote | undefined;
  readonly currency: string;
  readonly testId?: string;
  /** For a narrow column. */
  readonly short?: boolean;
}

/** What is not written as it is read is named for screen readers. */
function nameOf(exact: string | undefined, isPlain: boolean) {
  return isPlain || exact === undefined ? {} : { role: 'img', 'aria-label': exact };
}

/**
 * A price that lights up when it changes. The number of changes is odd or even in turn, which
 * swaps between two equal animations and so starts one anew for each change.
 */
export function Price({ quote, currency, testId, short = false }: Props) {
  const plain = formatPrice(quote?.price, currency);
  const text = short ? formatShortPrice(quote?.price, currency) : plain;
  const exact = quote && formatExact(quote.price, currency);
  const flash = quote && quote.changes > 0 ? `${quote.direction}-${quote.changes % 2}` : undefined;
  return (
    <span
      className={styles.price}
      data-flash={flash}
      data-testid={testId}
      title={exact}
      {...nameOf(exact, text === plain)}
    >
      {text}
    </span>
  );
}
