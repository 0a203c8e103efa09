/**
 * Numbers and times as people read them. Pure: no clock, no settings; everything comes in as an
 * argument. English number formatting throughout, because the page's words are English.
 */

/** What stands where a value is unknown. */
export const UNKNOWN = '–';

const LOCALE = 'en-US';
const MINUS = '−';
const SIGNIFICANT_DIGITS = 5;
/** From here on plain notation is no longer readable (1.97e+37 has been seen in the wild). */
const SCIENTIFIC_FROM = 1e15;
/** Below this, too. */
const SCIENTIFIC_BELOW = 1e-15;
/** Below this, an amount is no longer short in plain notation. */
const COMPACT_BELOW = 1e-6;

/** Whether a number is too large or too small for plain notation; zero is neither. */
function isExtreme(value: number): boolean {
  const size = Math.abs(value);
  return size >= SCIENTIFIC_FROM || (size > 0 && size < SCIENTIFIC_BELOW);
}

const numberFormats = new Map<string, Intl.NumberFormat>();

function numberFormat(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = JSON.stringify(options);
  let format = numberFormats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(LOCALE, options);
    numberFormats.set(key, format);
  }
  return format;
}

/** The sign that is written before an amount ("$"), or "" if the currency has none of its own. */
function currencySign(currency: string): string {
  if (currency === 'btc') return '₿';
  if (currency === 'eth') return 'Ξ';
  if (!/^[a-z]{3}$/.test(currency)) return '';
  const format = numberFormat({
    style: 'currency',
    currency: currency.toUpperCase(),
    currencyDisplay: 'narrowSymbol',
  });
  const sign = format.formatToParts(0).find((part) => part.type === 'currency')?.value ?? '';
  return /[A-Za-z]{3}/.test(sign) ? '' : sign;
}

const signs = new Map<string, string>();

function withCurrency(amount: string, currency: string): string {
  let sign = signs.get(currency);
  if (sign === undefined) {
    sign = currencySign(currency);
    signs.set(currency, sign);
  }
  const negative = amount.startsWith('-');
  const digits = negative ? amount.slice(1) : amount;
  const text = sign ? sign + digits : `${digits} ${currency.toUpperCase()}`;
  return negative ? MINUS + text : text;
}

/**
 * Decimals that show at least five significant digits and never fewer than two decimals, so that
 * 43,210.12, 1.0002 and 0.0000000012230 all show their small moves.
 */
export function priceDecimals(value: number): number {
  const size = Math.abs(value);
  if (size === 0 || !Number.isFinite(size)) return 2;
  if (size >= 1e6) return 0;
  const exponent = Math.floor(Math.log10(size));
  return Math.min(Math.max(2, SIGNIFICANT_DIGITS - 1 - exponent), 20);
}

/** A price, for example "$43,210.12", "$0.0000000012230" or "0.068124 SATS". */
export function formatPrice(value: number | undefined, currency: string): string {
  if (value === undefined || !Number.isFinite(value)) return UNKNOWN;
  if (isExtreme(value)) {
    return withCurrency(value.toExponential(SIGNIFICANT_DIGITS - 1), currency);
  }
  const decimals = priceDecimals(value);
  const format = numberFormat({ minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return withCurrency(format.format(value), currency);
}

/** From here on, and below, a price takes too much room for a line of the table. */
const SHORT_FROM = 1e8;
const SHORT_BELOW = 1e-4;

function subscript(count: number): string {
  return String(count).replace(/\d/g, (digit) => String.fromCharCode(0x2080 + Number(digit)));
}

/** Zeros after the point as their number: 0.0000000012230 becomes "0.0₈12230". */
function foldZeros(value: number): string {
  const [mantissa = '', exponent] = value.toExponential(SIGNIFICANT_DIGITS - 1).split('e-');
  return `0.0${subscript(Number(exponent) - 1)}${mantissa.replace('.', '')}`;
}

/**
 * A price for a narrow column, no less exact than formatPrice() where that has five significant
 * digits: "$43,210.12", "$0.0₈12230", "₫1.6012B".
 */
export function formatShortPrice(value: number | undefined, currency: string): string {
  if (value === undefined || isExtreme(value)) return formatPrice(value, currency);
  if (value > 0 && value < SHORT_BELOW) return withCurrency(foldZeros(value), currency);
  if (!(value >= SHORT_FROM)) return formatPrice(value, currency);
  const digits = {
    minimumSignificantDigits: SIGNIFICANT_DIGITS,
    maximumSignificantDigits: SIGNIFICANT_DIGITS,
  };
  return withCurrency(numberFormat({ notation: 'compact', ...digits }).format(value), currency);
}

/** A price on an axis: only the decimals that tell its marks, `step` apart, from each other. */
export function formatAxisPrice(value: number, step: number, currency: string): string {
  if (isExtreme(value) || !(step > 0)) return formatPrice(value, currency);
  let decimals = 0;
  while (decimals < 20 && Math.abs(Number(step.toFixed(decimals)) - step) > step * 1e-6) {
    decimals += 1;
  }
  const format = numberFormat({ minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return withCurrency(format.format(value), currency);
}

/** Every digit of a number between 0 and 1, which Intl would round and String() write as 1e-7. */
function fractionDigits(value: number): string {
  const [mantissa = '', exponent] = String(value).split('e-');
  if (exponent === undefined) return mantissa.padEnd(4, '0');
  return `0.${'0'.repeat(Number(exponent) - 1)}${mantissa.replace('.', '')}`;
}

/** Every digit that the number has, in plain notation: for tooltips. */
export function formatExact(value: number, currency: string): string {
  if (!Number.isFinite(value)) return UNKNOWN;
  const unit = currency.toUpperCase();
  if (Math.abs(value) >= SCIENTIFIC_FROM) return `${value} ${unit}`;
  if (value > 0 && value < 1) return `${fractionDigits(value)} ${unit}`;
  const format = numberFormat({ minimumFractionDigits: 2, maximumFractionDigits: 20 });
  // The shortest text that means this double: formatting the double itself would add its noise.
  const shortest = String(value) as Intl.StringNumericLiteral;
  return `${format.format(shortest)} ${unit}`;
}

/** An amount in few characters: "$1.23T", "$845.20M", "₿0.0042". */
export function formatCompact(value: number | undefined, currency: string): string {
  if (value === undefined || !Number.isFinite(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (isExtreme(value) || (size > 0 && size < COMPACT_BELOW)) {
    return withCurrency(value.toExponential(2), currency);
  }
  const format =
    size > 0 && size < 1
      ? numberFormat({ maximumSignificantDigits: 3 })
      : numberFormat({ notation: 'compact', minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return withCurrency(format.format(value), currency);
}

/** A change in percent with its sign: "+1.25%", "−0.40%", "0.00%". */
export function formatPercent(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return UNKNOWN;
  const decimals = Math.abs(value) >= 1000 ? 0 : 2;
  const format = numberFormat({ minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const digits = format.format(Math.abs(value));
  if (Number(digits.replaceAll(',', '')) === 0) return `${digits}%`;
  return `${value > 0 ? '+' : MINUS}${digits}%`;
}

const AGE_UNITS: readonly [limit_s: number, unit_s: number, name: string][] = [
  [60, 1, 's'],
  [3600, 60, 'min'],
  [86_400, 3600, 'h'],
  [Infinity, 86_400, 'd'],
];

/** The time that has passed, in one unit: "now", "12 s ago", "3 min ago", "12 d ago". */
export function formatAge(age_ms: number): string {
  if (Number.isNaN(age_ms)) return UNKNOWN;
  const age_s = Math.floor(age_ms / 1000);
  if (age_s < 1) return 'now';
  for (const [limit_s, unit_s, name] of AGE_UNITS) {
    if (age_s < limit_s) return `${Math.floor(age_s / unit_s)} ${name} ago`;
  }
  return UNKNOWN;
}

/** A wait that lies ahead, in whole seconds: "1 s". */
export function formatWait(wait_ms: number): string {
  return `${Math.max(1, Math.ceil(wait_ms / 1000))} s`;
}

const timeFormat = new Intl.DateTimeFormat(LOCALE, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

/** A moment in the reader's own time zone: "Nov 22, 11:22:33". */
export function formatTime(time_ms: number): string {
  return Number.isFinite(time_ms) ? timeFormat.format(time_ms) : UNKNOWN;
}
