// Long lists: pages are asked for as somebody scrolls, and what is not seen is
// not drawn.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { api, browser, demo, settled, watched } from './browser.mjs';

const most = 80; // rows that may be drawn at once
let world;
let chrome;
let connection;
let tab;

before(async () => {
  world = await demo(20);
  chrome = await browser();
  connection = (await api(world.url, world.key)('GET', '/v1/connections')).data.items[0].id;
  tab = await watched(await chrome.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: 'reduce' }));
  await tab.page.goto(`${world.url}/#key=${encodeURIComponent(world.key)}`);
  await tab.page.getByRole('heading', { name: 'Connections' }).waitFor();
});
after(async () => {
  await chrome?.close();
  await world?.stop();
});

/** long answers a list of n items page by page, and counts the pages. */
async function long(pattern, n, make) {
  const asked = { pages: 0 };
  await tab.page.route(pattern, (route) => {
    const query = new URL(route.request().url()).searchParams;
    const from = Number(query.get('cursor') ?? 0);
    const limit = Number(query.get('limit') ?? 50);
    const items = Array.from({ length: Math.min(limit, n - from) }, (_, i) => make(from + i));
    asked.pages++;
    return route.fulfill({
      status: 200,
      contentType: 'application/json',
      body: JSON.stringify({ items, ...(from + limit < n ? { next: String(from + limit) } : {}) }),
    });
  });
  return asked;
}

const drawn = () => tab.page.locator('.grid-row').count();

test('10,000 log entries', async () => {
  const { page } = tab;
  const at = new Date(0).toISOString();
  const asked = await long('**/v1/log?*', 10_000, (i) => ({
    id: `log_${i}`,
    time: at,
    run: 'run_1',
    connection,
    sync: 'contacts',
    side: 'left',
    way: 'to_right',
    record: `rec_${i}`,
    outcome: 'updated',
    diffs: [],
  }));
  await page.goto(`${world.url}/connections/${connection}/log`);
  await settled(page);
  assert.ok(asked.pages <= 2, `${asked.pages} pages were asked for before anybody scrolled`);
  const grid = page.getByRole('grid', { name: 'Log' });
  await grid.getByRole('row').nth(1).focus();
  for (let i = 0; i < 12; i++) {
    const before = asked.pages;
    // On a busy machine a page may be answered and not drawn yet: then the end is where it was.
    let at = 0;
    for (let tries = 0; at <= 100 * (i + 1) - 5; tries++) {
      assert.ok(tries < 300, `the end stays at row ${at}`);
      await page.keyboard.press('End');
      await page.waitForTimeout(100);
      at = await page.evaluate(() => Number(document.activeElement?.getAttribute('aria-rowindex')));
    }
    assert.ok((await drawn()) <= most, `${await drawn()} rows are drawn`);
    for (let wait = 0; asked.pages === before && wait < 50; wait++) await page.waitForTimeout(50);
  }
  assert.ok(asked.pages >= 12 && asked.pages <= 16, `${asked.pages} pages for 12 times to the end`);
  await page.keyboard.press('Home');
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-rowindex') === '2');
  await page.unroute('**/v1/log?*');
});

test('50 connections, 300 mappings', async () => {
  const { page } = tab;
  const { data: one } = await api(world.url, world.key)('GET', `/v1/connections/${connection}`);
  await long('**/v1/connections?*', 50, (i) => ({ ...one, id: `con_${i}`, name: `Connection ${i}` }));
  await page.route('**/v1/connections/con_*/status', (route) =>
    route.request().url().includes(connection)
      ? route.continue()
      : route.fulfill({
          status: 200,
          contentType: 'application/json',
          body: JSON.stringify({ connection: 'x', status: 'active', enabled: true, syncs: [], webhooks: [] }),
        }),
  );
  await page.goto(`${world.url}/connections`);
  await page.getByText('Connection 0', { exact: true }).waitFor();
  assert.ok((await drawn()) <= most);
  await page.getByLabel('Search connections').fill('connection 49');
  await page.getByText('Connection 49', { exact: true }).waitFor();
  assert.equal(await drawn(), 1);
  await page.getByLabel('Search connections').fill('nobody');
  await page.getByText('No connection fits').waitFor();
  await page.unrouteAll();

  const mapping = one.syncs[0].mappings[1];
  const mappings = Array.from({ length: 300 }, (_, i) => ({
    ...mapping,
    id: `m${i}`,
    left: [`left_${i}`],
    right: [`Right_${i}`],
  }));
  const body = JSON.stringify({ ...one, syncs: [{ ...one.syncs[0], mappings }] });
  await page.route(`**/v1/connections/${connection}`, (route) =>
    route.request().method() === 'GET' && route.request().resourceType() !== 'document'
      ? route.fulfill({ status: 200, contentType: 'application/json', headers: { ETag: '"1"' }, body })
      : route.continue(),
  );
  await page.goto(`${world.url}/connections/${connection}/mappings`);
  await page.getByText('All 300').waitFor();
  assert.ok((await drawn()) <= most, `${await drawn()} rows are drawn`);
  await page.getByLabel('Search mappings and fields').fill('right_299');
  await page.getByText('Right_299').waitFor();
  assert.equal(await drawn(), 1);
  await page.unrouteAll();
});

test('the first page asks for little', async () => {
  const own = await watched(await chrome.newContext());
  const files = [];
  let bytes = 0;
  own.page.on('response', (r) => {
    const path = new URL(r.url()).pathname;
    files.push(path);
    if (path.startsWith('/assets/')) bytes += Number(r.headers()['content-length'] ?? Number.NaN);
  });
  await own.page.goto(`${world.url}/#key=${encodeURIComponent(world.key)}`);
  await own.page.getByRole('grid', { name: 'Connections' }).waitFor();
  const assets = files.filter((f) => f.startsWith('/assets/'));
  const calls = files.filter((f) => f.startsWith('/v1/'));
  assert.ok(bytes <= 250 * 1024, `${bytes} bytes, compressed`);
  assert.ok(assets.length <= 14, `${assets.length} files: ${assets}`);
  assert.ok(calls.length <= 8, `${calls.length} calls: ${calls}`);
});

test('nothing was refused by the policy and nothing thrown', async () => {
  assert.deepEqual([...tab.wrong, ...(await tab.violations())], []);
});
