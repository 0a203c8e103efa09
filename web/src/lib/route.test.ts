// @vitest-environment jsdom
import { afterEach, expect, test, vi } from 'vitest';
import { Router, parseRoute, routePath } from './route';

afterEach(() => {
  window.history.replaceState(null, '', '/');
});

test.each([
  ['/', null],
  ['/coins/bitcoin', 'bitcoin'],
  ['/coins/bitcoin/', 'bitcoin'],
  ['/coins/a%2Fb%20c', 'a/b c'],
  ['/coins/%E0%A4%A', null],
  ['/coins/', null],
  ['/coins/a/b', null],
  ['/elsewhere', null],
])('%s opens %s', (path, coinId) => {
  expect(parseRoute(path)).toEqual({ coinId });
});

test('every id survives the way through the address', () => {
  for (const id of ['bitcoin', 'a/b', 'yearn.finance', 'ü?#%']) {
    expect(parseRoute(routePath(id)).coinId).toBe(id);
  }
  expect(routePath(null)).toBe('/');
  expect(routePath('bitcoin')).toBe('/coins/bitcoin');
  expect(routePath('yearn.finance')).toBe('/coins/yearn.finance/');
});

test('navigating and going back are announced', () => {
  const router = new Router();
  const listener = vi.fn();
  const unsubscribe = router.subscribe(listener);
  router.navigate('bitcoin');
  expect(router.path()).toBe('/coins/bitcoin');
  router.navigate('bitcoin');
  expect(listener).toHaveBeenCalledTimes(1);
  window.dispatchEvent(new PopStateEvent('popstate'));
  expect(listener).toHaveBeenCalledTimes(2);
  unsubscribe();
  router.navigate(null);
  expect(listener).toHaveBeenCalledTimes(2);
});
