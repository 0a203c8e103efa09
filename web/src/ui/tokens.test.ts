import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const css = readFileSync(new URL('./tokens.css', import.meta.url), 'utf8');
const blocks = [...css.matchAll(/color-scheme: (light|dark);([^}]*)/g)].map(
  ([, scheme = '', body = '']) => ({ scheme, body }),
);
const TEXTS = ['text', 'text-muted', 'text-faint', 'up', 'down'];
const GROUNDS = ['surface', 'surface-raised', 'surface-open'];

/** Relative luminance, WCAG 2.2. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((start) => {
    const part = parseInt(colour.slice(start, start + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test('there are three: light, dark by choice, dark by the desktop', () => {
  expect(blocks.map((block) => block.scheme)).toEqual(['light', 'dark', 'dark']);
  expect(blocks[1]?.body.replace(/\s+/g, ' ')).toBe(blocks[2]?.body.replace(/\s+/g, ' '));
});

test.each(blocks)('what is written on a row can be read: $scheme', ({ body }) => {
  const colour = (name: string): string => new RegExp(`--${name}: (#\\w{6})`).exec(body)?.[1] ?? '';
  for (const text of TEXTS) {
    for (const ground of GROUNDS) {
      const [a, b] = [luminance(colour(text)), luminance(colour(ground))];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      expect(contrast, `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  }
});
