// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Mock } from 'vitest';
import { reloadWhenUpgraded } from './upgrade';

const SCRIPT = 'http://localhost:3000/assets/index-old.js';
const page = (script: string): string => `<script type="module" src="/assets/${script}"></script>`;
let reload: Mock<() => void>;

beforeEach(() => {
  reload = vi.fn();
});

afterEach(() => {
  vi.unstubAllGlobals();
});

async function missFile(answer: () => Promise<Response>): Promise<void> {
  const fetched = vi.fn(answer);
  vi.stubGlobal('fetch', fetched);
  const listening = vi.spyOn(window, 'addEventListener');
  reloadWhenUpgraded(SCRIPT, reload);
  const listener = listening.mock.calls[0]?.[1] as () => void;
  window.removeEventListener('vite:preloadError', listener);
  listener();
  listener();
  await vi.waitFor(() => {
    expect(fetched).toHaveBeenCalledTimes(2);
  });
  await new Promise((resolve) => setTimeout(resolve));
}

test('a page whose files are gone since an upgrade is loaded anew, once', async () => {
  await missFile(() => Promise.resolve(new Response(page('index-new.js'))));
  expect(reload).toHaveBeenCalledTimes(1);
});

test.each<[string, () => Promise<Response>]>([
  ['has the same page', () => Promise.resolve(new Response(page('index-old.js')))],
  ['fails', () => Promise.resolve(new Response('{}', { status: 503 }))],
  ['is away', () => Promise.reject(new TypeError('Failed to fetch'))],
])('a server that %s leaves the page as it is', async (_name, answer) => {
  await missFile(answer);
  expect(reload).not.toHaveBeenCalled();
});
