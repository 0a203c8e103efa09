import { useEffect } from 'react';
import type { ReactNode } from 'react';
import { coinName } from '../data/order';
import type { Quote } from '../data/types';
import { UNKNOWN, formatCompact, formatPrice } from '../lib/format';
import { HISTORY_LIMITS } from '../lib/settings';
import { Age } from './Age';
import { Change } from './Change';
import { CoinLink } from './CoinLink';
import styles from './CoinView.module.css';
import { useListStatus, useRow, useServices, useSettings } from './context';
import { HistoryPanel } from './HistoryPanel';
import { Message } from './Message';
import { Price } from './Price';
import { RangeBar } from './RangeBar';
import { Stat, Stats } from './Stats';
import { useHistory } from './useHistory';
import { HEADING_ID } from './useKeyboard';

function LimitChoice() {
  const { settings } = useServices();
  const { historyLimit } = useSettings();
  return (
    <fieldset className={styles.limits}>
      <legend className="visually-hidden">Points of history</legend>
      {HISTORY_LIMITS.map((limit) => (
        <label key={limit} className={styles.limit}>
          <input
            type="radio"
            name="history-limit"
            className="visually-hidden"
            checked={limit === historyLimit}
            onChange={() => {
              settings.update({ historyLimit: limit });
            }}
          />
          <span>{limit.toLocaleString('en-US')}</span>
        </label>
      ))}
      <span className={styles.unit} aria-hidden="true">
        points
      </span>
    </fieldset>
  );
}

function QuoteStats({ quote, currency }: { quote: Quote | undefined; currency: string }) {
  return (
    <Stats>
      <Stat name="Market cap">{formatCompact(quote?.marketCap, currency)}</Stat>
      <Stat name="Volume 24 h">{formatCompact(quote?.volume24h, currency)}</Stat>
      <Stat name="Low 24 h">{formatPrice(quote?.low24h, currency)}</Stat>
      <Stat name="High 24 h">{formatPrice(quote?.high24h, currency)}</Stat>
      <Stat name="Between low and high">
        <RangeBar quote={quote} />
      </Stat>
      <Stat name="Updated">{quote ? <Age time_ms={quote.time_ms} /> : UNKNOWN}</Stat>
    </Stats>
  );
}

interface TitleProps {
  readonly id: string;
  readonly children?: ReactNode;
}

function Title({ id, children }: TitleProps) {
  const { coin } = useRow(id);
  return (
    <div className={styles.head}>
      <CoinLink id={null} className={styles.back} label="Back to the market">
        ←
      </CoinLink>
      <h2 id={HEADING_ID} className={styles.title} data-testid="coin-title" tabIndex={-1}>
        {coin ? coinName(coin) : id}
      </h2>
      <span className={styles.symbol}>{coin?.symbol}</span>
      {coin?.rank !== undefined && (
        <span className={styles.rank} title="Rank by market cap">
          #{coin.rank}
        </span>
      )}
      {children}
    </div>
  );
}

function UnknownCoin({ id }: { id: string }) {
  return (
    <div className={styles.view}>
      <Title id={id} />
      <Message
        title="This coin is not tracked here"
        action={<CoinLink id={null}>All coins</CoinLink>}
      >
        Nothing called “{id}” is among the coins that this server follows.
      </Message>
    </div>
  );
}

/** The page's title carries the price: a tab in the background is then worth a glance. */
function useDocumentTitle(name: string, price: string): void {
  useEffect(() => {
    document.title = `${price} ${name} · Crypto Pulse`;
  }, [name, price]);
}

/** One coin: its price, what else is known of it, and its history going on live. */
export function CoinView({ id }: { id: string }) {
  const { coin, quote, currency } = useRow(id);
  const { historyLimit } = useSettings();
  const { state: list } = useListStatus();
  const history = useHistory(id, currency, historyLimit);
  useDocumentTitle(coin ? coinName(coin) : id, formatPrice(quote?.price, currency));

  if (!coin && list === 'ready' && history.unknown) return <UnknownCoin id={id} />;
  return (
    <article className={styles.view}>
      <Title id={id} />
      <div className={styles.quote}>
        <span className={styles.price}>
          <Price quote={quote} currency={currency} />
        </span>
        <Change percent={quote?.changePercent24h} />
        <span className={styles.period}>24 h</span>
      </div>
      <QuoteStats quote={quote} currency={currency} />
      <HistoryPanel history={history} currency={currency}>
        <LimitChoice />
      </HistoryPanel>
    </article>
  );
}
