// @vitest-environment jsdom
import { act, cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Api } from '../data/api';
import { Market } from '../data/market';
import { MarketStore } from '../data/store';
import { Router } from '../lib/route';
import { SettingsStore } from '../lib/settings';
import { Ticker } from '../lib/ticker';
import { CONFIG, FakeNetwork, FakeServer, message } from '../test/fakes';
import { App } from './App';
import { ServicesContext } from './context';
import { rangePosition } from './RangeBar';

// jsdom has no canvas; the adapter is tried in a real browser. Here it only takes notes.
const chart = vi.hoisted(() => ({
  points: [] as readonly { price: number }[],
  charts: 0,
  broken: false,
}));
vi.mock('../chart/uplot', () => ({
  createChart: () => {
    if (chart.broken) throw new Error('no canvas');
    chart.charts += 1;
    return {
      setPoints: (points: readonly { price: number }[]) => {
        chart.points = points;
      },
      refreshTheme: () => undefined,
      destroy: () => {
        chart.charts -= 1;
      },
    };
  },
}));

const NOW = Date.UTC(2026, 10, 22, 12);
const HISTORY = '/api/v1/cryptos/bitcoin/history';
let server: FakeServer;
let network: FakeNetwork;
let market: Market;
let settings: SettingsStore;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  vi.stubGlobal('matchMedia', () => ({
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }));
  window.history.replaceState(null, '', '/');
  server = new FakeServer();
  vi.stubGlobal('fetch', server.fetch);
  network = new FakeNetwork();
  const store = new MarketStore((flush) => {
    flush();
  });
  market = new Market(CONFIG, new Api(CONFIG.apiUrl), store, network.connect);
  settings = new SettingsStore(null);
});

afterEach(() => {
  cleanup();
  market.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const at = (ago_ms: number): string => new Date(Date.now() - ago_ms).toISOString();

function coin(id: string, name: string, rank: number, price: number, changePercent24h: number) {
  const usd = { currency: 'usd', price, timestamp: at(5000), marketCap: price * 1e6, changePercent24h };
  const eur = { currency: 'eur', price: price / 2, timestamp: at(5000) };
  return { id, symbol: id.slice(0, 3), name, marketCapRank: rank, prices: [usd, eur] };
}

function serveCoins(): void {
  const trackedCoins = [
    coin('bitcoin', 'Bitcoin', 1, 43210.12, 1.5),
    coin('ethereum', 'Ethereum', 2, 2000, -2.25),
    coin('pepe', 'Pepe', 3, 1.223e-9, 0),
  ];
  server.ok('/api/v1/cryptos', { trackedCoins, count: 3 });
}

function servePoints(...prices: number[]): void {
  const priceHistory = prices.map((price, index) => ({
    price,
    currency: 'usd',
    timestamp: new Date(NOW - 3_600_000 + index * 60_000).toISOString(),
  }));
  server.ok(HISTORY, { coinId: 'bitcoin', currency: 'usd', priceHistory, count: prices.length });
}

async function pass(ms: number): Promise<void> {
  await act(() => vi.advanceTimersByTimeAsync(ms));
}

async function show(path = '/'): Promise<void> {
  window.history.replaceState(null, '', path);
  market.start();
  render(
    <ServicesContext value={{ market, settings, router: new Router(), ticker: new Ticker() }}>
      <App />
    </ServicesContext>,
  );
  await pass(0);
}

function live(fields: Readonly<Record<string, unknown>>): void {
  act(() => {
    network.last.send(message(fields));
  });
}

const rowIds = (): (string | null)[] =>
  within(screen.getByRole('table'))
    .getAllByRole('row')
    .slice(1)
    .map((row) => row.getAttribute('data-testid'));

describe('the table', () => {
  beforeEach(serveCoins);

  test('shows every coin with price, change, market cap and age', async () => {
    await show();
    expect(rowIds()).toEqual(['row-bitcoin', 'row-ethereum', 'row-pepe']);
    const cells = within(screen.getByTestId('row-bitcoin')).getAllByRole('cell');
    const texts = cells.map((cell) => cell.textContent);
    expect(texts).toEqual(['1', '$43,210.12', '+1.50%', '–', '$43.21B', '–', '5 s ago']);
    const tiny = screen.getByTestId('price-pepe');
    expect(tiny.textContent).toBe('$0.0₈12230');
    expect(tiny.title).toBe('0.000000001223 USD');
    expect(screen.getByRole('img', { name: tiny.title })).toBe(tiny);
    expect(screen.getByRole('rowheader', { name: /Bitcoin/ })).toBeTruthy();
  });

  test('a live price appears, lights up, and starts its age anew', async () => {
    await show();
    act(() => {
      network.last.open();
    });
    live({ coinId: 'bitcoin', price: 43300 });
    const price = screen.getByTestId('price-bitcoin');
    expect(price.textContent).toBe('$43,300.00');
    expect(price.dataset['flash']).toBe('up-1');
    live({ coinId: 'bitcoin', price: 43200, timestamp: at(-1) });
    expect(price.dataset['flash']).toBe('down-0');
    const age = within(screen.getByTestId('row-bitcoin')).getByText('now');
    await pass(3000);
    expect(age.textContent).toBe('2 s ago');
    await pass(60_000);
    expect(age.textContent).toBe('1 min ago');
  });

  test('an age is measured against the clock of the server', async () => {
    server.date = new Date(NOW + 1_200_000).toUTCString();
    await show();
    await pass(1000);
    expect(within(screen.getByTestId('row-bitcoin')).getByText('20 min ago')).toBeTruthy();
  });

  test('only the row that changed renders', async () => {
    await show();
    const other = screen.getByTestId('row-ethereum');
    const observer = new MutationObserver(() => undefined);
    observer.observe(other, { subtree: true, childList: true, characterData: true, attributes: true });
    live({ coinId: 'bitcoin', price: 1 });
    expect(observer.takeRecords()).toEqual([]);
  });

  test('sorts by a column, and the other way at a second click', async () => {
    await show();
    const button = screen.getByRole('button', { name: /24 h: Change/ });
    const head = button.closest('th');
    fireEvent.click(button);
    expect(rowIds()).toEqual(['row-bitcoin', 'row-pepe', 'row-ethereum']);
    expect(head?.getAttribute('aria-sort')).toBe('descending');
    fireEvent.click(button);
    expect(rowIds()).toEqual(['row-ethereum', 'row-pepe', 'row-bitcoin']);
    expect(head?.getAttribute('aria-sort')).toBe('ascending');
  });

  test('filters, and says so if nothing is left', async () => {
    await show();
    const filter = screen.getByRole('searchbox');
    fireEvent.change(filter, { target: { value: 'eth' } });
    expect(rowIds()).toEqual(['row-ethereum']);
    fireEvent.change(filter, { target: { value: 'zzz' } });
    expect(screen.getByText('No coin matches')).toBeTruthy();
  });

  test('another currency is chosen and remembered', async () => {
    await show();
    fireEvent.change(screen.getByLabelText('Quote currency'), { target: { value: 'eur' } });
    expect(screen.getByTestId('price-bitcoin').textContent).toBe('€21,605.06');
    expect(settings.get().currency).toBe('eur');
  });

  test('a coin that only the stream knows is there, too', async () => {
    await show();
    live({ coinId: 'newcomer', price: 3 });
    expect(screen.getByTestId('price-newcomer').textContent).toBe('$3.0000');
    expect(within(screen.getByTestId('row-newcomer')).getByText('newcomer')).toBeTruthy();
  });
});

describe('when there is nothing to show', () => {
  test('no coin yet', async () => {
    server.ok('/api/v1/cryptos', { trackedCoins: [], count: 0 });
    await show();
    act(() => {
      network.last.open();
    });
    expect(screen.getByText('No prices yet')).toBeTruthy();
    expect(screen.getByText(/after the next fetch/)).toBeTruthy();
  });

  test('a list that fails, and comes back', async () => {
    server.fail('/api/v1/cryptos', 503, 'The database does not answer.');
    await show();
    expect(screen.getByText('The list of coins could not be loaded')).toBeTruthy();
    expect(screen.getByText(/The database does not answer/)).toBeTruthy();
    serveCoins();
    await pass(1000);
    expect(rowIds()).toHaveLength(3);
  });

  test('a list that fails while the stream works is a line above the table', async () => {
    server.fail('/api/v1/cryptos', 503, 'The database does not answer.');
    await show();
    live({ coinId: 'bitcoin', price: 3 });
    expect(rowIds()).toEqual(['row-bitcoin']);
    expect(screen.getByText(/some may be missing/)).toBeTruthy();
  });
});

test('the connection state is announced, with a countdown that is not', async () => {
  serveCoins();
  await show();
  const state = screen.getByTestId('connection-state');
  expect(state.textContent).toBe('Connecting');
  expect(state.getAttribute('aria-live')).toBe('polite');
  act(() => {
    network.last.open();
  });
  expect(state.dataset['state']).toBe('live');
  act(() => {
    network.last.drop();
  });
  expect(state.textContent).toBe('Reconnecting');
  fireEvent.click(screen.getByRole('button', { name: 'Now' }));
  expect(network.sockets).toHaveLength(2);
  act(() => {
    network.last.open();
  });
  await pass(156_000);
  act(() => {
    network.last.open();
  });
  expect(state.textContent).toBe('Stale');
});

test('the theme is a setting', async () => {
  serveCoins();
  await show();
  fireEvent.change(screen.getByLabelText('Theme'), { target: { value: 'light' } });
  expect(settings.get().theme).toBe('light');
});

describe('a coin', () => {
  beforeEach(serveCoins);

  /** The chart is a chunk of its own: its import takes real turns of the event loop. */
  async function chartShown(): Promise<HTMLElement> {
    vi.useRealTimers();
    const element = await screen.findByTestId('coin-chart');
    vi.useFakeTimers({ now: NOW });
    return element;
  }

  test('opens by a click and closes by the way back', async () => {
    servePoints(1, 2, 3);
    await show();
    fireEvent.click(screen.getByTestId('row-bitcoin'));
    expect(window.location.pathname).toBe('/coins/bitcoin');
    await pass(0);
    expect(screen.getByTestId('coin-title').textContent).toBe('Bitcoin');
    expect(document.title).toBe('$43,210.12 Bitcoin · Crypto Pulse');
    expect(screen.getByTestId('row-bitcoin').dataset['open']).toBe('true');
    fireEvent.click(screen.getByRole('link', { name: 'Back to the market' }));
    expect(screen.queryByTestId('coin-title')).toBeNull();
    expect(document.title).toBe('Crypto Pulse');
  });

  test('takes the focus with it, and Escape closes it', async () => {
    servePoints(1, 2, 3);
    await show();
    const link = within(screen.getByTestId('row-bitcoin')).getByRole('link');
    fireEvent.click(link);
    expect(document.activeElement).toBe(screen.getByTestId('coin-title'));
    fireEvent.keyDown(screen.getByRole('searchbox'), { key: 'Escape' });
    expect(window.location.pathname).toBe('/coins/bitcoin');
    fireEvent.keyDown(screen.getByTestId('coin-title'), { key: 'Escape' });
    expect(window.location.pathname).toBe('/');
    expect(document.activeElement).toBe(link);
  });

  test('its chart is something that takes keys, and Escape in it is its own', async () => {
    servePoints(1, 2, 3);
    await show('/coins/bitcoin');
    await chartShown();
    const element = screen.getByRole('application', { name: /Arrow keys read single points/ });
    expect(document.activeElement).toBe(document.body);
    element.addEventListener('keydown', (event) => {
      event.preventDefault();
    });
    fireEvent.keyDown(element, { key: 'Escape' });
    expect(window.location.pathname).toBe('/coins/bitcoin');
  });

  test('a click that asks for a new tab is left to the browser', async () => {
    await show();
    fireEvent.click(screen.getByTestId('row-bitcoin'), { ctrlKey: true });
    expect(window.location.pathname).toBe('/');
  });

  test('its address can be loaded, and its line goes on live', async () => {
    servePoints(1, 2, 3);
    await show('/coins/bitcoin');
    const element = await chartShown();
    expect(element.getAttribute('aria-label')).toMatch(/^Line chart of 4 prices/);
    expect(chart.points.map((point) => point.price)).toEqual([1, 2, 3, 43210.12]);
    live({ coinId: 'bitcoin', price: 50000, timestamp: at(-1000) });
    expect(chart.points.map((point) => point.price)).toEqual([1, 2, 3, 43210.12, 50000]);
    expect(screen.getByTestId('history-count').dataset['count']).toBe('5');
  });

  test('after a gap the points that were missed are there', async () => {
    servePoints(1, 2);
    await show('/coins/bitcoin');
    await chartShown();
    act(() => {
      network.last.open();
      network.last.drop();
    });
    servePoints(1, 2, 7, 8);
    act(() => {
      market.feed.retryNow();
      network.last.open();
    });
    await pass(0);
    expect(chart.points.map((point) => point.price)).toContain(7);
  });

  test('another number of points is another request', async () => {
    servePoints(1, 2);
    await show('/coins/bitcoin');
    expect(server.requests).toContain(`${HISTORY}?limit=500&currency=usd`);
    fireEvent.click(screen.getByRole('radio', { name: '10,000' }));
    await pass(0);
    expect(server.requests).toContain(`${HISTORY}?limit=10000&currency=usd`);
    expect(settings.get().historyLimit).toBe(10_000);
  });

  test('a history that fails later leaves the line, says so, and comes back by itself', async () => {
    servePoints(1, 2);
    await show('/coins/bitcoin');
    await chartShown();
    server.fail(HISTORY, 503, 'The database does not answer.');
    act(() => {
      network.last.open();
      network.last.drop();
      market.feed.retryNow();
      network.last.open();
    });
    await pass(0);
    expect(screen.getByTestId('coin-chart')).toBeTruthy();
    expect(screen.getByText(/some of it may be missing. The database does not answer/)).toBeTruthy();
    servePoints(1, 2, 7);
    await pass(1000);
    expect(screen.queryByText(/some of it may be missing/)).toBeNull();
    expect(chart.points.map((point) => point.price)).toContain(7);
  });

  test('a history that fails says why and can be tried again', async () => {
    server.fail(HISTORY, 503, 'The database does not answer.');
    await show('/coins/bitcoin');
    expect(screen.getByText('The history could not be loaded')).toBeTruthy();
    servePoints(1, 2);
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await pass(0);
    expect(screen.getByTestId('history-count').dataset['count']).toBe('3');
  });

  test('one that is not tracked says so', async () => {
    server.fail('/api/v1/cryptos/nothing/history', 404, 'Unknown coin.');
    await show('/coins/nothing');
    expect(screen.getByText('This coin is not tracked here')).toBeTruthy();
    fireEvent.click(screen.getByRole('link', { name: 'All coins' }));
    expect(window.location.pathname).toBe('/');
  });

  test('a chart that fails takes nothing else with it', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    chart.broken = true;
    servePoints(1, 2);
    await show('/coins/bitcoin');
    vi.useRealTimers();
    await screen.findByText('The chart could not be shown');
    chart.broken = false;
    expect(screen.getByRole('button', { name: 'Reload' })).toBeTruthy();
    expect(screen.getByTestId('coin-title').textContent).toBe('Bitcoin');
    expect(rowIds()).toHaveLength(3);
  });

  test('its chart is taken down with it', async () => {
    servePoints(1, 2);
    await show('/coins/bitcoin');
    await chartShown();
    expect(chart.charts).toBe(1);
    fireEvent.click(screen.getByRole('link', { name: 'Back to the market' }));
    expect(chart.charts).toBe(0);
  });
});

test.each([
  [5, 0, 10, 0.5],
  [-1, 0, 10, 0],
  [11, 0, 10, 1],
  [5, 5, 5, null],
  [5, undefined, 10, null],
])('%s lies between %s and %s at %s', (value, low, high, position) => {
  expect(rangePosition(value, low, high)).toBe(position);
});
