// Conflicts and duplicates as a work list: a hundred of them by keyboard in a few
// minutes, with a value of one's own, linked or left, and nothing lost by a refusal.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { api, browser, demo, fakeOf, pressed, seen, until, watched } from './browser.mjs';

const hundred = 100;
let world;
let chrome;
let call;
let connection;
let left;
let right;
let pairs;
let tab;

const records = async (state, limit = 200) =>
  (await call('GET', `/v1/connections/${connection}/syncs/contacts/records?state=${state}&limit=${limit}`)).data.items;

/** disagree has both apps edit one field of some pairs, each in its own way. */
async function disagree(some, mine, theirs) {
  await call('POST', `/v1/connections/${connection}/pause`);
  await Promise.all(
    some.map(async (r, i) => {
      await left(`/records/contacts/${r.id}`, 'PATCH', { fields: { [mine]: `Left ${i}` } });
      await right(`/records/Contact/${r.partner}`, 'PATCH', { fields: { [theirs]: `Right ${i}` } });
    }),
  );
  await call('POST', `/v1/connections/${connection}/start`);
  await until(`${some.length} conflicts`, async () => {
    if ((await records('conflict')).filter((r) => r.side === 'left').length === some.length) return true;
    await call('POST', `/v1/connections/${connection}/syncs/contacts/pull`).catch(() => undefined);
    return false;
  });
}

before(async () => {
  world = await demo(150);
  chrome = await browser();
  call = api(world.url, world.key);
  [left, right] = world.fakes.map(fakeOf);
  connection = (await call('GET', '/v1/connections')).data.items[0].id;
  const { data, etag } = await call('GET', `/v1/connections/${connection}`);
  data.syncs[0].conflict = 'review';
  data.syncs[0].schedule = 'manual';
  await call('PATCH', `/v1/connections/${connection}`, { syncs: data.syncs }, { 'If-Match': etag });
  pairs = (await records('in_sync')).filter((r) => r.side === 'left').slice(0, hundred);
  assert.equal(pairs.length, hundred);
  await disagree(pairs, 'city', 'MailingCity');
  tab = await watched(await chrome.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' }));
  await tab.page.goto(`${world.url}/#key=${encodeURIComponent(world.key)}`);
  await tab.page.getByRole('heading', { name: 'Connections' }).waitFor();
});

after(async () => {
  await chrome?.close();
  await world?.stop();
});

const open = () => tab.page.goto(`${world.url}/connections/${connection}/conflicts`);

test('what was chosen and typed is there after a refusal', async () => {
  const { page } = tab;
  await open();
  await page.getByRole('radiogroup').first().waitFor();
  assert.deepEqual(await seen(page, 'conflict'), []);
  await page.keyboard.press('3');
  await page.getByLabel('3 · A value of my own').fill('My own town');
  for (const [status, code, detail, words] of [
    [412, 'stale', 'somebody was faster', 'Somebody was faster'],
    [429, 'share_spent', 'the caller has spent its share', 'Try again in 60 seconds'],
    [503, 'unavailable', 'the storage does not answer', 'The storage does not answer'],
    [0, '', '', 'Lockstep does not answer'],
  ]) {
    await page.route('**/resolve', (route) =>
      status === 0
        ? route.abort('connectionrefused')
        : route.fulfill({
            status,
            contentType: 'application/problem+json',
            headers: status === 429 ? { 'Retry-After': '60' } : {},
            body: JSON.stringify({ status, code, title: 'x', detail }),
          }),
    );
    await page.keyboard.press('Control+Enter');
    await page.getByText(words).first().waitFor();
    assert.equal(await page.getByLabel('3 · A value of my own').inputValue(), 'My own town');
    await page.unroute('**/resolve');
  }
});

test('a hundred conflicts are decided by keyboard, one key and Ctrl+Enter each', async () => {
  const { page } = tab;
  const began = Date.now();
  const box = page.getByLabel('3 · A value of my own');
  const title = page.locator('.panel-head h2').first();
  // The first one has a value of one's own, typed before.
  let at = await title.textContent();
  const first = at;
  await page.keyboard.press('Control+Enter');
  for (let n = 1; n < hundred; n++) {
    await page.waitForFunction(
      (before) => {
        const now = document.querySelector('.panel-head h2')?.textContent;
        return now && now !== before && document.querySelector('[role=radiogroup]');
      },
      at,
      { timeout: 20_000 },
    );
    at = await title.textContent();
    await page.keyboard.press(n % 2 ? '1' : '2');
    await page.keyboard.press('Control+Enter');
  }
  await page.getByText('No conflict is open').waitFor({ timeout: 20_000 });
  const took = (Date.now() - began) / 1000;
  assert.ok(took < 180, `${took} s for a hundred`);
  assert.equal(await box.count(), 0);
  assert.deepEqual(await seen(page, 'no-conflict'), []);
  await until('both apps agree on all', async () => {
    const cities = await Promise.all(
      pairs.map(async (r) => [
        (await (await left(`/records/contacts/${r.id}`)).json()).fields.city,
        (await (await right(`/records/Contact/${r.partner}`)).json()).fields.MailingCity,
      ]),
    );
    const own = pairs.findIndex((r) => first.includes(r.id));
    return (
      cities.every(([l, r]) => l === r) &&
      cities[own][0] === 'My own town' &&
      cities.filter(([l]) => l.startsWith('Left ')).length === hundred / 2 &&
      cities.filter(([l]) => l.startsWith('Right ')).length === hundred / 2 - 1
    );
  });
});

test('one choice is made for all that wait for the same fields, after a look at them', async () => {
  const { page } = tab;
  const some = pairs.slice(0, 6);
  await disagree(some, 'jobtitle', 'Title');
  await open();
  await page.getByText('1 of 6').waitFor();
  await page.getByRole('radiogroup', { name: 'title' }).waitFor();
  const same = page.getByRole('button', { name: 'The same for others like it …' });
  assert.ok(await same.isDisabled(), 'nothing was chosen yet');
  await page.keyboard.press('2');
  await pressed(same);
  const dialog = page.getByRole('dialog');
  await dialog.getByText('5 of 5 others that are listed wait for the same fields').waitFor();
  assert.equal(await dialog.locator('.after').count(), 3, 'three are shown');
  assert.deepEqual(await seen(page, 'alike'), []);
  await pressed(dialog.getByRole('button', { name: 'Write these 5' }));
  await page.getByText('No conflict is open').waitFor();
  await until('the right values in both apps', async () => {
    const titles = await Promise.all(
      some.map(async (r) => (await (await left(`/records/contacts/${r.id}`)).json()).fields.jobtitle),
    );
    return titles.every((t, i) => t === `Right ${i}`);
  });
});

test('twins are linked or left, by keyboard', async () => {
  const { page } = tab;
  // A pull between the first and the last of them would make one of them a twin.
  await call('POST', `/v1/connections/${connection}/pause`);
  const made = async (fake, object, fields) => (await (await fake(`/records/${object}`, 'POST', { fields })).json()).id;
  const a = await made(right, 'Contact', { Email: 'twin@example.com', LastName: 'Twin', FirstName: 'A' });
  const b = await made(right, 'Contact', { Email: 'twin@example.com', LastName: 'Twin', FirstName: 'B' });
  const c = await made(left, 'contacts', { email: 'twin@example.com', lastname: 'Twin', firstname: 'C' });
  await call('POST', `/v1/connections/${connection}/start`);
  await until('the duplicates', async () => {
    const found = await records('duplicate');
    if ([a, b, c].every((id) => found.some((r) => r.id === id))) return true;
    await call('POST', `/v1/connections/${connection}/syncs/contacts/pull`);
    return false;
  });
  await page.goto(`${world.url}/connections/${connection}/conflicts?kind=duplicate`);
  const cards = page.getByRole('radiogroup', { name: /^The one of/ }).getByRole('radio');
  await cards.first().waitFor();
  for (let n = 0; n < 50 && (await page.getByRole('radio', { name: new RegExp(a) }).count()) === 0; n++) {
    await page.keyboard.press('j');
    await page.waitForTimeout(50);
  }
  assert.equal(await cards.count(), 3, 'the three are one decision');
  assert.equal(await page.getByRole('radio', { name: new RegExp(c) }).getAttribute('aria-checked'), 'true');
  assert.ok(await page.getByRole('button', { name: 'Link these two, and next' }).isDisabled(), 'one of two is guessed');
  assert.deepEqual(await seen(page, 'twins'), []);
  const no = /^(\d):/.exec(await page.getByRole('radio', { name: new RegExp(b) }).getAttribute('aria-label'))[1];
  await page.keyboard.press(no);
  await page.getByRole('radio', { name: new RegExp(b), checked: true }).waitFor();
  // The list may tell of the same ones in another order meanwhile, and of others before them.
  const listed = /\/records\?(?=.*state=duplicate)/;
  await page.route(listed, async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    await route.fulfill({ response, json: { ...body, items: body.items.reverse() } });
  });
  await page.waitForResponse(listed);
  await page.waitForResponse(listed);
  await page.unroute(listed);
  assert.equal(await page.getByRole('radio', { name: new RegExp(b), checked: true }).count(), 1, 'the choice is kept');
  await page.keyboard.press('Control+Enter');
  await until('the link', async () => {
    const { data } = await call('GET', `/v1/connections/${connection}/syncs/contacts/records/left/${c}`);
    return data.partner === b;
  });
});

test('a viewer decides nothing', async () => {
  const { data: key } = await call('POST', '/v1/keys', { name: 'looks', role: 'viewer' });
  const own = await watched(await chrome.newContext());
  await own.page.goto(`${world.url}/#key=${encodeURIComponent(key.key)}`);
  await own.page.getByRole('heading', { name: 'Connections' }).waitFor();
  await own.page.goto(`${world.url}/connections/${connection}/conflicts?kind=duplicate`);
  await own.page.getByText(/records may be one|There are no duplicates/).waitFor();
  assert.equal(await own.page.getByRole('button', { name: /Link these/ }).count(), 0);
  assert.deepEqual(own.wrong, []);
});

test('nothing was refused by the policy and nothing thrown', async () => {
  assert.deepEqual([...tab.wrong, ...(await tab.violations())], []);
});
