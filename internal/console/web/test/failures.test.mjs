// The API down, slow, or refusing at any call: said in words, and nothing typed
// is lost. The four states of every list.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { axe } from './axe.mjs';
import { api, browser, demo, settled, watched } from './browser.mjs';
import { places } from './places.mjs';

let world;
let chrome;
let connection;
let context;
let tab;

before(async () => {
  world = await demo(60);
  chrome = await browser();
  context = await chrome.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: 'reduce' });
  tab = await watched(context);
  connection = (await api(world.url, world.key)('GET', '/v1/connections')).data.items[0].id;
  await tab.page.goto(`${world.url}/#key=${encodeURIComponent(world.key)}`);
  await tab.page.getByRole('heading', { name: 'Connections' }).waitFor();
});

after(async () => {
  await chrome?.close();
  await world?.stop();
});

const problem = (status, code, detail, headers = {}) => ({
  status,
  contentType: 'application/problem+json',
  headers,
  body: JSON.stringify({ type: 'about:blank', title: 'x', status, code, detail, request_id: 'req_test' }),
});

test('every list says that it is broken or closed, each in its own way', async () => {
  const { page } = tab;
  const found = [];
  for (const place of places(connection)) {
    for (const [state, answer, words] of [
      [
        'broken',
        problem(400, 'bad_address', 'something is wrong with the question'),
        'Something is wrong with the question',
      ],
      [
        'closed',
        problem(403, 'access_denied', 'the access rule does not let this user in'),
        'You may not see or do this',
      ],
    ]) {
      await page.route(place.list, (route) =>
        route.request().method() === 'GET' && route.request().resourceType() !== 'document'
          ? route.fulfill(answer)
          : route.continue(),
      );
      await page.goto(world.url + place.path);
      const said = await page
        .getByText(words)
        .first()
        .waitFor({ timeout: 15_000 })
        .then(
          () => true,
          () => false,
        );
      if (!said) found.push(`${place.name}, ${state}: not said`);
      else for (const v of await axe(page)) found.push(`${place.name}, ${state}: ${v}`);
      await page.unroute(place.list);
    }
  }
  assert.deepEqual(found, []);
});

test('a slow list says that it is loading, and shows nothing else meanwhile', async () => {
  const { page } = tab;
  for (const place of places(connection).filter((p) =>
    ['connections', 'log', 'runs', 'accounts', 'records'].includes(p.name),
  )) {
    let release;
    const held = new Promise((done) => {
      release = done;
    });
    await page.route(place.list, async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(world.url + place.path);
    await page
      .getByRole('status')
      .filter({ hasText: /^Loading / })
      .first()
      .waitFor();
    assert.equal(await page.getByRole('grid').count(), 0, `${place.name} shows a list that is not there yet`);
    assert.deepEqual(await axe(page), [], place.name);
    release();
    await settled(page);
    await page.unroute(place.list);
  }
});

test('an empty list offers the next step', async () => {
  const { page } = tab;
  const found = [];
  for (const place of places(connection).filter(
    (p) => p.list.includes('?') && !/new|rules|match|mappings|settings|status/.test(p.name),
  )) {
    await page.route(place.list, (route) =>
      route.fulfill({ status: 200, contentType: 'application/json', body: '{"items":[]}' }),
    );
    await page.goto(world.url + place.path);
    await settled(page);
    const state = page.locator('.state');
    if ((await state.count()) === 0) found.push(`${place.name}: nothing is said of an empty list`);
    for (const v of await axe(page)) found.push(`${place.name}, empty: ${v}`);
    await page.unroute(place.list);
  }
  assert.deepEqual(found, []);
});

const refusals = [
  ['down', null, 'Lockstep does not answer'],
  ['401', problem(401, 'unauthorized', 'the session has ended'), 'Sign in again'],
  [
    '429',
    problem(429, 'share_spent', 'the caller has spent its share', { 'Retry-After': '60' }),
    'Try again in 60 seconds',
  ],
  ['500', problem(500, 'internal', 'something went wrong'), 'Something went wrong'],
  ['503', problem(503, 'unavailable', 'the storage does not answer'), 'The storage does not answer'],
];

for (const [name, answer, words] of refusals) {
  test(`what was typed is there after ${name}`, async () => {
    const { page } = tab;
    await page.goto(`${world.url}/connections/${connection}/settings`);
    await page.getByLabel('Description').fill(`typed before ${name}`);
    await page.route(`**/v1/connections/${connection}`, (route) =>
      route.request().method() !== 'PATCH'
        ? route.continue()
        : answer
          ? route.fulfill(answer)
          : route.abort('connectionrefused'),
    );
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByText(words).first().waitFor();
    assert.equal(await page.getByLabel('Description').inputValue(), `typed before ${name}`);
    assert.deepEqual(await axe(page), []);
    await page.unroute(`**/v1/connections/${connection}`);
    if (name === '401') {
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel(/^Key/).fill(world.key);
      await dialog.getByRole('button', { name: 'Sign in' }).click();
      await dialog.waitFor({ state: 'hidden' });
      assert.equal(await page.getByLabel('Description').inputValue(), `typed before ${name}`);
    }
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByText('Unsaved changes').waitFor({ state: 'hidden' });
    const { data } = await api(world.url, world.key)('GET', `/v1/connections/${connection}`);
    assert.equal(data.description, `typed before ${name}`);
  });
}

test('somebody else was faster: both changes are kept, and a collision is asked about', async () => {
  const { page } = tab;
  const call = api(world.url, world.key);
  const path = `/v1/connections/${connection}`;
  const theirs = async (patch) => {
    const { etag } = await call('GET', path);
    await call('PATCH', path, patch, { 'If-Match': etag });
  };
  await page.goto(`${world.url}/connections/${connection}/settings`);
  await page.getByLabel('Description').fill('mine');
  await theirs({ default_country: 'DE' });
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Somebody else saved meanwhile').waitFor();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Unsaved changes').waitFor({ state: 'hidden' });
  let { data } = await call('GET', path);
  assert.deepEqual([data.description, data.default_country], ['mine', 'DE']);

  await page.getByLabel('Description').fill('mine again');
  await theirs({ description: 'theirs' });
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Both of you changed this').waitFor();
  assert.deepEqual(await axe(page), []);
  await dialog.getByLabel(/^Theirs/).check();
  await dialog.getByRole('button', { name: 'Take these' }).click();
  await dialog.waitFor({ state: 'hidden' });
  assert.equal(await page.getByLabel('Description').inputValue(), 'theirs');
  ({ data } = await call('GET', path));
  assert.equal(data.description, 'theirs');
});

test('leaving with unsaved edits asks first', async () => {
  const { page } = tab;
  await page.goto(`${world.url}/connections/${connection}/settings`);
  await page.getByLabel('Description').fill('not saved');
  await page.getByRole('link', { name: 'Mappings' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Leave without saving?').waitFor();
  await dialog.getByRole('button', { name: 'Stay' }).click();
  assert.equal(await page.getByLabel('Description').inputValue(), 'not saved');
  await page.getByRole('link', { name: 'Mappings' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Leave and lose it' }).click();
  await page.waitForURL(/mappings$/);
});

test('the program away at the start is said, and it goes on when it is back', async () => {
  const own = await chrome.newContext();
  const { page } = await watched(own);
  await page.route('**/v1/session', (route) => route.abort('connectionrefused'));
  await page.goto(`${world.url}/log`);
  await page.getByText('Lockstep does not answer').first().waitFor();
  await page.unroute('**/v1/session');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await own.close();
});

test('no other page can show this one in a frame', async () => {
  const own = await chrome.newContext();
  const page = await own.newPage();
  await page.setContent(`<iframe src="${world.url}/" title="x"></iframe>`);
  await page.waitForTimeout(500);
  const frame = page.frames()[1];
  assert.ok(!frame || !(await frame.content()).includes('id="root"'), 'the page stands in a frame');
  await own.close();
});

test('nothing was refused by the policy and nothing thrown', async () => {
  assert.deepEqual([...tab.wrong, ...(await tab.violations())], []);
});
