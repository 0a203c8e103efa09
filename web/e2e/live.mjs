// Looks at the running dashboard with a real browser, as a person would:
//
//   DASHBOARD_URL=http://localhost:3000 node e2e/live.mjs COIN [EXPECTED_TEXT]
//
// Waits until the page says that it is live, reads the coin's price in the table, says it on
// standard error, waits until that text changes (to EXPECTED_TEXT, if given; it may already be
// there), opens the coin and looks for its chart. Prints what it saw as one JSON object; exits with
// 0 if all of it was as it should be, with 1 and an "error" if not.
//
//   CHROMIUM      the browser (default /usr/bin/chromium)
//   SCREENSHOT    a file to write a picture of the opened coin to
//   COLOR_SCHEME  dark (default) or light
//   VIEWPORT      for example 390x844 (default 1920x1080)
//   ROWS          how many coins the table must come to have
//   TIMEOUT_MS    patience for each step (default 30000)
import { chromium } from 'playwright-core';

const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function readOptions(env, [coin, expected]) {
  if (!env.DASHBOARD_URL || !coin) {
    throw new Error('usage: DASHBOARD_URL=... node e2e/live.mjs COIN [EXPECTED_TEXT]');
  }
  const [width, height] = (env.VIEWPORT ?? '1920x1080').split('x').map(Number);
  return {
    url: new URL(env.DASHBOARD_URL),
    coin,
    expected: expected ?? null,
    chromium: env.CHROMIUM || '/usr/bin/chromium',
    screenshot: env.SCREENSHOT || null,
    colorScheme: env.COLOR_SCHEME ?? 'dark',
    viewport: { width, height },
    rows: env.ROWS === undefined ? undefined : Number(env.ROWS),
    timeout: Number(env.TIMEOUT_MS ?? 30_000),
  };
}

/** Collects what must not happen: script errors, and requests to any host but the dashboard's. */
function watch(page, options, seen) {
  page.on('pageerror', (error) => seen.pageErrors.push(error.message));
  const check = (address) => {
    const { hostname, protocol } = new URL(address);
    const local = protocol === 'data:' || protocol === 'blob:';
    if (!local && hostname !== options.url.hostname) seen.foreignRequests.push(address);
  };
  page.on('request', (request) => check(request.url()));
  page.on('websocket', (socket) => check(socket.url()));
}

async function waitForPrice(page, options, seen) {
  const price = page.getByTestId(`price-${options.coin}`);
  await price.waitFor();
  seen.priceBefore = await price.textContent();
  console.error(`sees ${seen.priceBefore}`);
  await page.waitForFunction(
    ([id, before, expected]) => {
      const text = document.querySelector(`[data-testid="${id}"]`)?.textContent;
      return expected === null ? text !== before : text === expected;
    },
    [`price-${options.coin}`, seen.priceBefore, options.expected],
  );
  seen.priceAfter = await price.textContent();
}

/** The table fills as answers and updates come; ROWS says how many coins there must be. */
async function waitForRows(page, options, seen) {
  const rows = page.locator('tbody tr[data-testid^="row-"]');
  if (options.rows !== undefined) await rows.nth(options.rows - 1).waitFor();
  seen.rows = await rows.count();
}

async function openCoin(page, options, seen) {
  await page.getByTestId(`row-${options.coin}`).click();
  const title = page.getByTestId('coin-title');
  await title.waitFor();
  seen.title = await title.textContent();
  seen.path = new URL(page.url()).pathname;
  await page.getByTestId('coin-chart').locator('canvas').waitFor();
  const count = page.getByTestId('history-count');
  seen.historyCount = Number(await count.getAttribute('data-count'));
  if (!(seen.historyCount > 0)) throw new Error('the chart has no point');
  if (options.screenshot) await page.screenshot({ path: options.screenshot });
}

async function look(browser, options, seen) {
  const { colorScheme, viewport } = options;
  const context = await browser.newContext({ colorScheme, viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(options.timeout);
  watch(page, options, seen);
  await page.goto(options.url.href);
  await page.locator('[data-testid="connection-state"][data-state="live"]').waitFor();
  seen.state = 'live';
  await waitForPrice(page, options, seen);
  await waitForRows(page, options, seen);
  await openCoin(page, options, seen);
  if (seen.pageErrors.length > 0) throw new Error('the page has script errors');
  if (seen.foreignRequests.length > 0) throw new Error('the page contacted another host');
}

const seen = { pageErrors: [], foreignRequests: [] };
let browser;
try {
  const options = readOptions(process.env, process.argv.slice(2));
  browser = await chromium.launch({ executablePath: options.chromium, args: CHROMIUM_FLAGS });
  await look(browser, options, seen);
} catch (error) {
  seen.error = error.message;
} finally {
  await browser?.close();
}
console.log(JSON.stringify({ ok: seen.error === undefined, ...seen }));
process.exitCode = seen.error === undefined ? 0 : 1;
