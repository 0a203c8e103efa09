/** A coin's history: what REST brought and what the stream has added since. */
import type { PricePoint } from './types';

/**
 * Joins two series by time: oldest first, each moment once (the later argument wins), and only
 * the newest `limit` points.
 */
export function mergePoints(
  a: readonly PricePoint[],
  b: readonly PricePoint[],
  limit: number,
): readonly PricePoint[] {
  const byTime = new Map<number, PricePoint>();
  for (const point of a) byTime.set(point.time_ms, point);
  for (const point of b) byTime.set(point.time_ms, point);
  const points = [...byTime.values()].sort((left, right) => left.time_ms - right.time_ms);
  return points.length > limit ? points.slice(-limit) : points;
}

/** Adds a live point; returns the same array if it is no news. Cheap when it is the newest. */
export function appendPoint(
  points: readonly PricePoint[],
  point: PricePoint,
  limit: number,
): readonly PricePoint[] {
  const last = points.at(-1);
  if (last && point.time_ms === last.time_ms && point.price === last.price) return points;
  if (last && point.time_ms <= last.time_ms) return mergePoints(points, [point], limit);
  const kept = points.length >= limit ? points.slice(points.length - limit + 1) : points;
  return [...kept, point];
}

export interface Summary {
  readonly from_ms: number;
  readonly to_ms: number;
  readonly low: number;
  readonly high: number;
  /** From the first point to the last. */
  readonly changePercent: number;
}

/** What a series says in a line of text; null for an empty one. */
export function summarise(points: readonly PricePoint[]): Summary | null {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) return null;
  let low = first.price;
  let high = first.price;
  for (const { price } of points) {
    if (price < low) low = price;
    if (price > high) high = price;
  }
  const changePercent = (last.price / first.price - 1) * 100;
  return { from_ms: first.time_ms, to_ms: last.time_ms, low, high, changePercent };
}
