import { describe, expect, test } from 'vitest';
import {
  formatAge,
  formatAxisPrice,
  formatCompact,
  formatExact,
  formatPercent,
  formatPrice,
  formatShortPrice,
  formatTime,
  formatWait,
} from './format';

describe('formatPrice', () => {
  test.each([
    [43210.12, 'usd', '$43,210.12'],
    [99999.999, 'usd', '$100,000.00'],
    [100000, 'usd', '$100,000.00'],
    [1234567.8, 'usd', '$1,234,568'],
    [999.5, 'usd', '$999.50'],
    [43.21, 'usd', '$43.210'],
    [1.0002, 'usd', '$1.0002'],
    [1, 'usd', '$1.0000'],
    [0.99981, 'usd', '$0.99981'],
    [0.5, 'usd', '$0.50000'],
    [0.000025712, 'usd', '$0.000025712'],
    [1.223e-9, 'usd', '$0.0000000012230'],
    [1e-9, 'usd', '$0.0000000010000'],
    [1.97e37, 'usd', '$1.9700e+37'],
    [1.6e-15, 'usd', '$0.0000000000000016000'],
    [2.5e-22, 'usd', '$2.5000e-22'],
    [0, 'usd', '$0.00'],
    [43210.12, 'eur', '€43,210.12'],
    [0.068124, 'btc', '₿0.068124'],
    [12.5, 'eth', 'Ξ12.500'],
    [12.5, 'sats', '12.500 SATS'],
    [12.5, 'ltc', '12.500 LTC'],
    [undefined, 'usd', '–'],
    [NaN, 'usd', '–'],
  ])('%s %s is %s', (value, currency, text) => {
    expect(formatPrice(value, currency)).toBe(text);
  });

  test('shows every small move of a price from 1e-9 to 1e5', () => {
    for (let exponent = -9; exponent <= 5; exponent += 1) {
      const price = 1.2345 * 10 ** exponent;
      expect(formatPrice(price * 1.001, 'usd')).not.toBe(formatPrice(price, 'usd'));
    }
  });
});

test.each([
  [43210.12, '$43,210.12'],
  [0.00012345, '$0.00012345'],
  [0.000025712, '$0.0₄25712'],
  [0.00000123, '$0.0₅12300'],
  [1.223e-9, '$0.0₈12230'],
  [9.99999e-10, '$0.0₈10000'],
  [3.1e-13, '$0.0₁₂31000'],
  [2.5e-22, '$2.5000e-22'],
  [1.97e37, '$1.9700e+37'],
  [0, '$0.00'],
  [1_601_234_567, '$1.6012B'],
  [Infinity, '–'],
  [undefined, '–'],
])('%s in a narrow column is %s', (value, text) => {
  expect(formatShortPrice(value, 'usd')).toBe(text);
});

test.each([
  [3680, 10, '$3,680'],
  [3682.5, 2.5, '$3,682.5'],
  [0.9998, 0.0001, '$0.9998'],
  [1.2325e-9, 2.5e-12, '$0.0000000012325'],
  [2e37, 1e36, '$2.0000e+37'],
  [2.5e-22, 1e-23, '$2.5000e-22'],
])('an axis with marks %s, %s apart, says %s', (value, step, text) => {
  expect(formatAxisPrice(value, step, 'usd')).toBe(text);
});

test.each([
  [43210.12, '43,210.12 USD'],
  [0.1, '0.10 USD'],
  [1.223e-9, '0.000000001223 USD'],
  [0.0000012345678901234567, '0.0000012345678901234567 USD'],
  [2.5e-22, '0.00000000000000000000025 USD'],
  [1e-7, '0.0000001 USD'],
  [123456.789012345, '123,456.789012345 USD'],
  [1.97e37, '1.97e+37 USD'],
  [Infinity, '–'],
])('every digit of %s is %s', (value, text) => {
  expect(formatExact(value, 'usd')).toBe(text);
});

test.each([
  [1.234e12, '$1.23T'],
  [845.2e6, '$845.20M'],
  [12, '$12.00'],
  [-1500, '−$1.50K'],
  [0.0042, '$0.0042'],
  [0.014249, '$0.0142'],
  [4.2e-7, '$4.20e-7'],
  [0, '$0.00'],
  [1.97e37, '$1.97e+37'],
  [undefined, '–'],
])('%s in short is %s', (value, text) => {
  expect(formatCompact(value, 'usd')).toBe(text);
});

test.each([
  [1.254, '+1.25%'],
  [-0.4, '−0.40%'],
  [0, '0.00%'],
  [-0.001, '0.00%'],
  [0.004, '0.00%'],
  [12345.6, '+12,346%'],
  [undefined, '–'],
  [NaN, '–'],
])('%s percent is %s', (value, text) => {
  expect(formatPercent(value)).toBe(text);
});

test.each([
  [-5000, 'now'],
  [999, 'now'],
  [1000, '1 s ago'],
  [59_999, '59 s ago'],
  [60_000, '1 min ago'],
  [3_599_999, '59 min ago'],
  [3_600_000, '1 h ago'],
  [86_400_000, '1 d ago'],
  [12 * 86_400_000, '12 d ago'],
  [NaN, '–'],
])('an age of %s ms is %s', (age_ms, text) => {
  expect(formatAge(age_ms)).toBe(text);
});

test('a wait is never less than a second', () => {
  expect(formatWait(1)).toBe('1 s');
  expect(formatWait(4001)).toBe('5 s');
});

test('a moment is shown in the local time zone', () => {
  expect(formatTime(new Date(2026, 10, 22, 0, 5, 9).getTime())).toBe('Nov 22, 00:05:09');
  expect(formatTime(NaN)).toBe('–');
});
