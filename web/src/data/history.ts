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

/** This many usual distances without a price are an outage. */
const OUTAGE = 6;
/** Where prices are sparser, as where the server filled a gap later on, the neighbours tell. */
const LONGER_THAN_NEIGHBOURS = 3;

/**
 * Where a series has no prices: the indices of the points that an outage lies before. The first
 * point, and one between two outages, would be no line at all: it keeps its connection.
 */
export function outagesOf(points: readonly PricePoint[]): number[] {
  const distances = points.slice(1).map((point, i) => point.time_ms - (points[i]?.time_ms ?? 0));
  const usual = Float64Array.from(distances).sort()[distances.length >> 1] ?? 0;
  const outages: number[] = [];
  distances.forEach((distance, i) => {
    const nearby = Math.max(distances[i - 1] ?? Infinity, distances[i + 1] ?? 0);
    if (distance > OUTAGE * usual && distance > LONGER_THAN_NEIGHBOURS * nearby) outages.push(i + 1);
  });
  return outages;
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
