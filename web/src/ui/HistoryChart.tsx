import { useEffect, useRef } from 'react';
import type { ChartAdapter, ChartFactory } from '../chart/adapter';
import { createChart } from '../chart/uplot';
import type { PricePoint } from '../data/types';
import { formatAxisPrice } from '../lib/format';
import styles from './HistoryPanel.module.css';
import { onThemeChange } from './theme';

interface Props {
  readonly points: readonly PricePoint[];
  readonly currency: string;
  readonly label: string;
  readonly onCursor: (index: number | null) => void;
  readonly factory?: ChartFactory;
}

/** The line itself. React owns its element, the chart library what is inside. */
export default function HistoryChart(props: Props) {
  const { points, currency, label, onCursor, factory = createChart } = props;
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<ChartAdapter | null>(null);
  const shown = useRef(false);

  useEffect(() => {
    if (!host.current) return undefined;
    const created = factory(host.current, {
      formatPrice: (price, step) => formatAxisPrice(price, step, currency),
      onCursor,
    });
    chart.current = created;
    shown.current = false;
    const unsubscribe = onThemeChange(() => {
      created.refreshTheme();
    });
    return () => {
      unsubscribe();
      created.destroy();
      chart.current = null;
    };
  }, [currency, factory, onCursor]);

  useEffect(() => {
    // Another series is another chart, so a zoom stays where it is while this one goes on.
    chart.current?.setPoints(points, shown.current);
    shown.current = true;
  }, [points, currency, factory, onCursor]);

  return (
    <div
      ref={host}
      className={styles.chart}
      data-testid="coin-chart"
      role="application"
      aria-roledescription="chart"
      aria-label={label}
      tabIndex={0}
    />
  );
}
