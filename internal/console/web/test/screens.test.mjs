// Every screen as it is: nothing that the policy refuses, nothing thrown, no
// violation of WCAG 2.2 A and AA in light and dark, no sideways scrolling from
// 360 to 2,560 pixels.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { axe } from './axe.mjs';
import { api, browser, demo, settled, watched } from './browser.mjs';
import { places } from './places.mjs';

let world;
let chrome;
let connection;
let more;

before(async () => {
  world = await demo(120);
  chrome = await browser();
  const call = api(world.url, world.key);
  connection = (await call('GET', '/v1/connections')).data.items[0].id;
  const records = (await call('GET', `/v1/connections/${connection}/syncs/contacts/records?state=in_sync&limit=1`)).data
    .items;
  const runs = (await call('GET', '/v1/runs')).data.items;
  const entry = (await call('GET', '/v1/log?limit=1')).data.items[0].id;
  const plan = runs.find((r) => r.kind === 'plan').plan;
  more = [
    { name: 'record', path: `/connections/${connection}/records/contacts/left/${records[0].id}` },
    { name: 'plan', path: `/connections/${connection}/plan?plan=${plan}` },
    { name: 'run', path: `/runs/${runs[0].id}` },
    { name: 'log entry', path: `/log?entry=${encodeURIComponent(entry)}` },
    { name: 'nothing', path: '/there/is/no/such/page' },
  ];
});

after(async () => {
  await chrome?.close();
  await world?.stop();
});

for (const scheme of ['light', 'dark']) {
  test(`every screen, ${scheme}`, async () => {
    const context = await chrome.newContext({
      viewport: { width: 1280, height: 860 },
      colorScheme: scheme,
      reducedMotion: 'reduce',
    });
    const { page, wrong, violations } = await watched(context);
    await page.goto(`${world.url}/#key=${encodeURIComponent(world.key)}`);
    await page.getByRole('heading', { name: 'Connections' }).waitFor();
    const found = [];
    for (const place of [...places(connection), ...more]) {
      await page.goto(world.url + place.path);
      await settled(page);
      assert.notEqual(await page.title(), 'Lockstep', `${place.name} has no name`);
      for (const v of await axe(page)) found.push(`${place.name}: ${v}`);
      for (const v of await violations()) found.push(`${place.name}: policy: ${v}`);
    }
    assert.deepEqual(found, []);
    assert.deepEqual(wrong, []);
    await context.close();
  });
}

test('signed out', async () => {
  const context = await chrome.newContext({ viewport: { width: 1000, height: 700 } });
  const { page, wrong, violations } = await watched(context);
  await page.goto(`${world.url}/log`);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.deepEqual(await axe(page), []);
  await page.getByLabel(/^Key/).fill('lsk_wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('This key is not known').waitFor();
  await page.getByLabel(/^Key/).fill(world.key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Log' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/log', 'signing in leads to the address that was asked for');
  await page.reload();
  await page.getByRole('heading', { name: 'Log' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.deepEqual([...wrong, ...(await violations())], []);
  const kept = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]),
  );
  assert.ok(!kept.includes('lsk_') && !kept.includes('lss_'), `the browser keeps ${kept}`);
  await context.close();
});

for (const width of [360, 2560]) {
  test(`nothing is cut off or scrolls sideways at ${width} pixels`, async () => {
    const context = await chrome.newContext({ viewport: { width, height: 900 }, reducedMotion: 'reduce' });
    const { page } = await watched(context);
    await page.goto(`${world.url}/#key=${encodeURIComponent(world.key)}`);
    await page.getByRole('heading', { name: 'Connections' }).waitFor();
    const found = [];
    for (const place of [...places(connection), ...more]) {
      await page.goto(world.url + place.path);
      await settled(page);
      const over = await page.evaluate(() => {
        const root = document.documentElement;
        if (root.scrollWidth <= root.clientWidth) return '';
        const wide = [...document.querySelectorAll('main *')].find(
          (e) => e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest('.scroll-x, .tabs, .grid'),
        );
        return `${root.scrollWidth} pixels wide, because of ${wide?.outerHTML.slice(0, 160)}`;
      });
      if (over) found.push(`${place.name}: ${over}`);
    }
    assert.deepEqual(found, []);
    await context.close();
  });
}
