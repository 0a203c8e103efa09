/**
 * The seam around the chart library: the views know only this file. Whoever implements it is
 * loaded when the first chart is shown.
 */
import type { PricePoint } from '../data/types';

export interface ChartOptions {
  /** A price on the axis, whose marks are `step` apart. */
  readonly formatPrice: (price: number, step: number) => string;
  /** Called with the index of the point under the cursor, null when the cursor leaves. */
  readonly onCursor: (index: number | null) => void;
}

export interface ChartAdapter {
  /** Shows these points, oldest first; a zoom is kept if `keepZoom`. */
  setPoints(points: readonly PricePoint[], keepZoom: boolean): void;
  /** Reads the colours anew, after a change of theme. */
  refreshTheme(): void;
  destroy(): void;
}

/** Draws into `host`, whose size the chart follows. The caller destroys what it gets. */
export type ChartFactory = (host: HTMLElement, options: ChartOptions) => ChartAdapter;
