/** ChartAdapter by uPlot: a line over a true time axis, with its newest price marked. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { outagesOf } from '../data/history';
import type { PricePoint } from '../data/types';
import type { ChartAdapter, ChartFactory, ChartOptions } from './adapter';

// uPlot.Axis.Side.Right: a declared const enum has no value at run time.
// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment
const RIGHT: uPlot.Axis.Side = 1;
const AXIS_FONT = '11px "Inter Variable", system-ui, sans-serif';
const ARROWS: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 };

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function seriesFill(plot: uPlot): CanvasGradient | string {
  const { top, height } = plot.bbox;
  // Before the first layout there is no height to fill.
  if (!Number.isFinite(top) || !height) return 'transparent';
  const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
  gradient.addColorStop(0, token('--chart-fill-top'));
  gradient.addColorStop(1, token('--chart-fill-bottom'));
  return gradient;
}

/** The vertical range: all of the line, with room above and below; a flat line in the middle. */
function priceRange(_plot: uPlot, min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1];
  const room = (max - min) * 0.12 || max * 0.001;
  return [min - room, max + room];
}

/** A dashed line and a dot at the newest price. */
function drawNewest(plot: uPlot): void {
  const time = plot.data[0].at(-1);
  const price = plot.data[1]?.at(-1);
  if (time === undefined || price === undefined || price === null) return;
  const { ctx, bbox } = plot;
  const x = plot.valToPos(time, 'x', true);
  const y = plot.valToPos(price, 'y', true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width + 8 * devicePixelRatio, bbox.height);
  ctx.clip();
  ctx.strokeStyle = ctx.fillStyle = token('--accent');
  ctx.globalAlpha = 0.5;
  ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.globalAlpha = 1;
  ctx.beginPath();
  ctx.arc(x, y, 3.5 * devicePixelRatio, 0, 2 * Math.PI);
  ctx.fill();
  ctx.restore();
}

/** Wide enough for the longest label: prices of 1e-9 and of 1e5 need different room. */
function axisWidth(plot: uPlot, values: string[] | null): number {
  if (!values?.length) return 50;
  const longest = values.reduce((a, b) => (b.length > a.length ? b : a));
  plot.ctx.save();
  plot.ctx.font = AXIS_FONT;
  const { width } = plot.ctx.measureText(longest);
  plot.ctx.restore();
  return Math.ceil(width) + 10;
}

function axis(): uPlot.Axis {
  return {
    stroke: () => token('--text-faint'),
    font: AXIS_FONT,
    grid: { stroke: () => token('--line-faint'), width: 1 },
    ticks: { show: false },
  };
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Times of the axis: the day where it changes, else hours and minutes, seconds when they matter. */
function timeLabels(_plot: uPlot, splits: number[], _axis: number, _space: number, step: number) {
  let previous = '';
  return splits.map((split) => {
    const date = new Date(split * 1000);
    const day = date.toLocaleDateString('en-US', { month: 'short', day: 'numeric' });
    const midnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
    const newDay = previous !== '' && day !== previous;
    previous = day;
    if (step >= 86_400 || midnight || newDay) return day;
    const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
    return step < 60 ? `${time}:${two(date.getSeconds())}` : time;
  });
}

/** Cuts the line, from the last point before an outage to the first one after it. */
function gapsAt(plot: uPlot, outages: readonly number[]): uPlot.Series.Gaps {
  const gaps: uPlot.Series.Gaps = [];
  for (const index of outages) {
    const [from, to] = [plot.data[0][index - 1], plot.data[0][index]];
    if (from === undefined || to === undefined) continue;
    gaps.push([plot.valToPos(from, 'x', true), plot.valToPos(to, 'x', true)]);
  }
  return gaps;
}

function plotOptions(
  host: HTMLElement,
  options: ChartOptions,
  outages: () => readonly number[],
): uPlot.Options {
  return {
    width: host.clientWidth,
    height: host.clientHeight,
    padding: [10, 0, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      points: { size: 9, fill: () => token('--surface'), stroke: () => token('--accent'), width: 2 },
      drag: { x: true, y: false, dist: 6 },
    },
    scales: { x: { time: true }, y: { range: priceRange } },
    axes: [
      { ...axis(), values: timeLabels, space: 90, size: 30 },
      {
        ...axis(),
        side: RIGHT,
        space: 44,
        size: axisWidth,
        values: (_plot, splits, _axis, _space, step) =>
          splits.map((price) => options.formatPrice(price, step)),
      },
    ],
    series: [
      {},
      {
        stroke: () => token('--accent'),
        fill: seriesFill,
        width: 1.75,
        points: { show: false },
        gaps: (plot) => gapsAt(plot, outages()),
      },
    ],
    hooks: {
      draw: [drawNewest],
      setCursor: [
        (plot) => {
          options.onCursor(plot.cursor.idx ?? null);
        },
      ],
    },
  };
}

function showCursorAt(plot: uPlot, index: number): void {
  const time = plot.data[0][index];
  if (time === undefined) return;
  plot.setCursor({ left: plot.valToPos(time, 'x'), top: plot.over.clientHeight / 2 });
}

/** Arrow keys walk along the line, Escape puts the cursor away if it is there. */
function onKey(plot: uPlot, event: KeyboardEvent): void {
  const step = ARROWS[event.key];
  const last = plot.data[0].length - 1;
  if (event.key === 'Escape' && plot.cursor.idx != null) {
    plot.setCursor({ left: -10, top: -10 });
    event.preventDefault();
  } else if (step !== undefined && last >= 0) {
    const from = plot.cursor.idx ?? (step < 0 ? last + 1 : -1);
    const stride = event.shiftKey ? 10 : 1;
    showCursorAt(plot, Math.min(last, Math.max(0, from + step * stride)));
    event.preventDefault();
  }
}

/** A finger reads the line as a mouse does; a vertical swipe still scrolls the page. */
function onTouch(plot: uPlot, event: TouchEvent): void {
  const touch = event.touches[0];
  if (!touch) return;
  const left = touch.clientX - plot.over.getBoundingClientRect().left;
  plot.setCursor({ left, top: plot.over.clientHeight / 2 });
}

function toData(points: readonly PricePoint[]): uPlot.AlignedData {
  return [points.map((point) => point.time_ms / 1000), points.map((point) => point.price)];
}

/** Whether only a part of the line is shown, because somebody zoomed in. */
function isZoomed(plot: uPlot): boolean {
  const { min, max } = plot.scales['x'] ?? {};
  const first = plot.data[0][0];
  const last = plot.data[0].at(-1);
  if (first === undefined || last === undefined || min == null || max == null) return false;
  return min > first || max < last;
}

class UplotChart implements ChartAdapter {
  readonly #plot: uPlot;
  readonly #host: HTMLElement;
  readonly #observer: ResizeObserver;
  readonly #stop = new AbortController();
  #outages: readonly number[] = [];

  constructor(host: HTMLElement, options: ChartOptions) {
    this.#host = host;
    this.#plot = new uPlot(plotOptions(host, options, () => this.#outages), [[], []], host);
    this.#observer = new ResizeObserver(() => {
      this.#plot.setSize({ width: host.clientWidth, height: host.clientHeight });
    });
    this.#observer.observe(host);
    this.#listen();
  }

  setPoints(points: readonly PricePoint[], keepZoom: boolean): void {
    const zoomed = keepZoom && isZoomed(this.#plot);
    this.#outages = outagesOf(points);
    this.#plot.setData(toData(points), !zoomed);
    if (zoomed) this.#plot.redraw();
  }

  refreshTheme(): void {
    this.#plot.redraw(false, true);
  }

  destroy(): void {
    this.#stop.abort();
    this.#observer.disconnect();
    this.#plot.destroy();
  }

  #listen(): void {
    const plot = this.#plot;
    const { signal } = this.#stop;
    const away = (): void => {
      plot.setCursor({ left: -10, top: -10 });
    };
    this.#host.addEventListener('keydown', (event) => { onKey(plot, event); }, { signal });
    this.#host.addEventListener('blur', away, { signal });
    for (const type of ['touchstart', 'touchmove'] as const) {
      plot.over.addEventListener(type, (event) => { onTouch(plot, event); }, {
        signal,
        passive: true,
      });
    }
    plot.over.addEventListener('touchend', away, { signal });
  }
}

export const createChart: ChartFactory = (host, options) => new UplotChart(host, options);
