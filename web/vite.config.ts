import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** The daemons' dashboard port, to which the development server passes what it does not serve. */
const backend = process.env['CRYPTO_PULSE_URL'] ?? 'http://localhost:3000';

/**
 * The theme that a user chose is set by the script, so the first paint waits for it: otherwise
 * a dark page flashes white on a light desktop.
 */
function renderAfterScript(): Plugin {
  return {
    name: 'render-after-script',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"'),
    },
  };
}

export default defineConfig({
  plugins: [react(), renderAfterScript()],
  build: {
    // Everything is a file under /assets with its hash in the name: a strict
    // Content-Security-Policy (no data: URLs, no inline script) then suits the page.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  css: { modules: { localsConvention: 'camelCaseOnly' } },
  server: {
    port: 5173,
    proxy: { '/api': backend, '/config.json': backend },
  },
  test: {
    // Tests that need a page say so: `@vitest-environment jsdom`.
    include: ['src/**/*.test.{ts,tsx}'],
    css: { modules: { classNameStrategy: 'non-scoped' } },
    restoreMocks: true,
  },
});
