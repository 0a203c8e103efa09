import { expect, test } from 'vitest';
import { appendPoint, mergePoints, outagesOf, summarise } from './history';
import type { PricePoint } from './types';

function points(...pairs: [time_ms: number, price: number][]): PricePoint[] {
  return pairs.map(([time_ms, price]) => ({ time_ms, price }));
}

test.each([
  ['nothing', points(), points(), 10, points()],
  ['one side', points([1, 10]), points(), 10, points([1, 10])],
  ['a live tail', points([1, 10], [2, 11]), points([3, 12]), 10, points([1, 10], [2, 11], [3, 12])],
  ['an overlap', points([1, 10], [2, 11]), points([2, 99], [3, 12]), 10, points([1, 10], [2, 99], [3, 12])],
  ['no order', points([3, 12], [1, 10]), points([2, 11]), 10, points([1, 10], [2, 11], [3, 12])],
  ['too many', points([1, 10], [2, 11]), points([3, 12]), 2, points([2, 11], [3, 12])],
])('merges %s', (_name, a, b, limit, expected) => {
  expect(mergePoints(a, b, limit)).toEqual(expected);
});

test('a live point goes to the end, within the limit', () => {
  const before = points([1, 10], [2, 11]);
  expect(appendPoint(before, { time_ms: 3, price: 12 }, 10)).toEqual(
    points([1, 10], [2, 11], [3, 12]),
  );
  expect(appendPoint(before, { time_ms: 3, price: 12 }, 2)).toEqual(points([2, 11], [3, 12]));
  expect(appendPoint([], { time_ms: 3, price: 12 }, 2)).toEqual(points([3, 12]));
  expect(before).toHaveLength(2);
});

test('a point that is known changes nothing, a late one finds its place', () => {
  const before = points([1, 10], [3, 12]);
  expect(appendPoint(before, { time_ms: 3, price: 12 }, 10)).toBe(before);
  expect(appendPoint(before, { time_ms: 2, price: 11 }, 10)).toEqual(
    points([1, 10], [2, 11], [3, 12]),
  );
});

test.each<[string, number[], number[]]>([
  ['nothing', [], []],
  ['a single point', [0], []],
  ['two points', [0, 9000], []],
  ['an even series', [0, 60, 120, 181, 240], []],
  ['a lull', [0, 60, 120, 420, 480, 540], []],
  ['an outage', [0, 60, 120, 1200, 1260, 1320], [3]],
  ['an outage that has just ended', [0, 60, 120, 180, 1200], [4]],
  ['a lone first point', [0, 1200, 1260, 1320, 1380], []],
  ['a lone point between outages', [0, 5, 10, 15, 20, 500, 1000, 1005, 1010], []],
  ['a sparse part', [0, 300, 600, 900, 905, 910, 915, 920, 925, 1925, 1930, 1935], [9]],
])('%s is drawn without its outages', (_name, seconds, outages) => {
  const series = seconds.map((second) => ({ time_ms: second * 1000, price: 1 }));
  expect(outagesOf(series)).toEqual(outages);
});

test('a summary tells span, extremes and change', () => {
  expect(summarise(points([1, 10], [2, 5], [3, 20], [4, 15]))).toEqual({
    from_ms: 1,
    to_ms: 4,
    low: 5,
    high: 20,
    changePercent: 50,
  });
  expect(summarise([])).toBeNull();
});
