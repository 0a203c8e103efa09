import { expect, test } from 'vitest';
import { Staleness } from './staleness';

const MINUTE = 60_000;

test('a poll a minute is never stale, and silence after it is', () => {
  const staleness = new Staleness();
  staleness.noteOpen(0);
  for (let now = 0; now <= 10 * MINUTE; now += MINUTE) {
    expect(staleness.check(now)).toBe(false);
    staleness.noteNews(now);
  }
  expect(staleness.threshold_ms).toBe(150_000);
  expect(staleness.check(10 * MINUTE + 150_000)).toBe(false);
  expect(staleness.check(10 * MINUTE + 150_001)).toBe(true);
});

test('a slower pace is learned from the first gap', () => {
  const staleness = new Staleness();
  staleness.noteOpen(0);
  expect(staleness.check(4 * MINUTE)).toBe(true);
  staleness.noteNews(5 * MINUTE);
  expect(staleness.check(5 * MINUTE)).toBe(false);
  expect(staleness.check(15 * MINUTE)).toBe(false);
  expect(staleness.check(18 * MINUTE)).toBe(true);
});

test('prices every twenty minutes are live from the second one on', () => {
  const staleness = new Staleness();
  staleness.noteOpen(0);
  for (let now = 0; now <= 240 * MINUTE; now += MINUTE) {
    if (now > 20 * MINUTE) expect(staleness.check(now)).toBe(false);
    if (now % (20 * MINUTE) === 0) staleness.noteNews(now);
  }
});

test('an outage that was taken for the pace is forgotten', () => {
  const staleness = new Staleness();
  staleness.noteOpen(0);
  for (let poll = 0; poll < 20; poll += 1) staleness.noteNews((60 + poll) * MINUTE);
  expect(staleness.threshold_ms).toBe(150_000);
});

test('a fast stream shortens the patience, but not below a minute', () => {
  const staleness = new Staleness();
  staleness.noteOpen(0);
  for (let now = 2000; now <= 40_000; now += 2000) staleness.noteNews(now);
  expect(staleness.threshold_ms).toBe(MINUTE);
});

test('the updates of one poll are no pace', () => {
  const staleness = new Staleness();
  staleness.noteOpen(0);
  for (let now = 0; now < 500; now += 5) staleness.noteNews(now);
  expect(staleness.threshold_ms).toBe(150_000);
});

test('an outage is no pace', () => {
  const staleness = new Staleness();
  staleness.noteOpen(0);
  staleness.noteNews(10);
  staleness.noteNews(10 * 60 * MINUTE);
  expect(staleness.threshold_ms).toBe(150_000);
});

test('a new connection has a moment for its snapshot, unless it was stale before', () => {
  const staleness = new Staleness();
  staleness.noteOpen(0);
  staleness.noteNews(0);
  staleness.noteOpen(60 * MINUTE);
  expect(staleness.check(60 * MINUTE + 9_000)).toBe(false);
  expect(staleness.check(60 * MINUTE + 11_000)).toBe(true);
  staleness.noteOpen(61 * MINUTE);
  expect(staleness.check(61 * MINUTE)).toBe(true);
  staleness.noteNews(61 * MINUTE + 1);
  expect(staleness.check(61 * MINUTE + 2)).toBe(false);
});
