// @vitest-environment jsdom
import { act, cleanup, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SettingsStore } from '../lib/settings';
import { FakeNetwork, FakeServer } from '../test/fakes';
import { Boot } from './Boot';
import { applyTheme } from './theme';

let server: FakeServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  vi.stubGlobal('fetch', server.fetch);
  const network = new FakeNetwork();
  vi.stubGlobal('WebSocket', function connect() {
    return network.connect();
  });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function pass(ms: number): Promise<void> {
  await act(() => vi.advanceTimersByTimeAsync(ms));
}

test('a page whose server is not there says so, and starts when it is', async () => {
  server.answers.set('/config.json', 'down');
  render(<Boot settings={new SettingsStore(null)} />);
  expect(screen.getByText('Connecting…')).toBeTruthy();
  await pass(0);
  expect(screen.getByText('Crypto Pulse is not answering')).toBeTruthy();
  expect(screen.getByText(/The server cannot be reached\. Trying again in 1 s\./)).toBeTruthy();
  server.ok('/config.json', { apiUrl: '/api/v1', websocketUrl: '', websocketPort: 8080 });
  await pass(1000);
  expect(screen.getByRole('heading', { name: 'Crypto Pulse' })).toBeTruthy();
  expect(screen.getByTestId('connection-state').textContent).toBe('Connecting');
});

test('a theme is an attribute of the page, and none is the desktop’s', () => {
  const root = document.documentElement;
  applyTheme('dark');
  expect(root.getAttribute('data-theme')).toBe('dark');
  applyTheme('auto');
  expect(root.hasAttribute('data-theme')).toBe(false);
});
