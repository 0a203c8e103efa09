import { memo } from 'react';
import { coinName } from '../data/order';
import { UNKNOWN, formatCompact } from '../lib/format';
import { Age } from './Age';
import { Change } from './Change';
import { CoinLink, isPlainClick } from './CoinLink';
import { useRow, useServices } from './context';
import styles from './MarketTable.module.css';
import { Price } from './Price';
import { RangeBar } from './RangeBar';
import { linkId } from './useKeyboard';

interface Props {
  readonly id: string;
  readonly open: boolean;
}

/** One coin of the table. A click anywhere opens it; the link in it is for the keyboard. */
export const CoinRow = memo(function CoinRow({ id, open }: Props) {
  const { router } = useServices();
  const { coin, quote, currency } = useRow(id);
  const name = coin ? coinName(coin) : id;
  return (
    <tr
      className={styles.row}
      data-testid={`row-${id}`}
      data-open={open}
      onClick={(event) => {
        if (isPlainClick(event)) router.navigate(id);
      }}
    >
      <td className={styles.rank}>{coin?.rank ?? UNKNOWN}</td>
      <th scope="row" className={styles.name}>
        <CoinLink id={id} elementId={linkId(id)} className={styles.link}>
          <span className={styles.fullName}>{name}</span>
          <span className={styles.symbol}>{coin?.symbol}</span>
        </CoinLink>
      </th>
      <td className={styles.price}>
        <Price quote={quote} currency={currency} testId={`price-${id}`} short />
      </td>
      <td className={styles.change}>
        <Change percent={quote?.changePercent24h} />
      </td>
      <td className={styles.range}>
        <RangeBar quote={quote} />
      </td>
      <td className={styles.cap}>{formatCompact(quote?.marketCap, currency)}</td>
      <td className={styles.volume}>{formatCompact(quote?.volume24h, currency)}</td>
      <td className={styles.age}>{quote ? <Age time_ms={quote.time_ms} /> : UNKNOWN}</td>
    </tr>
  );
});
