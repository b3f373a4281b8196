// What rules, mappings and match steps would do with records that are really
// there, before anything of it is saved.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pressed, seen, settled, signedIn, until, watched } from './browser.mjs';

let world;
let chrome;
let call;
let connection;
let tab;

before(async () => {
  ({ world, chrome, call, connection, tab } = await signedIn(60));
});

after(async () => {
  await chrome?.close();
  await world?.stop();
});

test('rules say how many they let through while they are typed, and show examples', async () => {
  const { page } = tab;
  await page.goto(`${world.url}/connections/${connection}/rules`);
  await settled(page);
  const counts = page.getByText(/Of (HubSpot|Salesforce): /);
  await counts.first().waitFor();
  const all = Number(/lets (\d+) of (\d+) through/.exec(await counts.first().textContent())[2]);
  assert.ok(all >= 60, `${all} records`);
  await pressed(page.getByRole('button', { name: 'Add rule' }).first());
  await pressed(page.getByRole('button', { name: 'add filter …' }).first());
  const pick = async (name, option) => {
    await page.getByRole('combobox', { name }).or(page.getByRole('textbox', { name })).first().click();
    await page.getByRole('option', { name: option }).first().click();
  };
  await pick('Field', /\(email\)/);
  await pick('Operator', 'ends with');
  await page.getByLabel('Value').first().fill('@example.org');
  const some = await until('the count of the edited rule', async () => {
    const m = /lets (\d+) of (\d+) through, (\d+) fewer than as saved/.exec(await counts.first().textContent());
    return m && { passes: Number(m[1]), of: Number(m[2]), fewer: Number(m[3]) };
  });
  assert.equal(some.of, all);
  assert.equal(some.passes + some.fewer, all);
  assert.ok(some.passes > 0 && some.passes < all);
  await pressed(page.getByRole('button', { name: 'Show examples' }).first());
  await page.getByText('Let through', { exact: true }).waitFor();
  assert.equal(await page.getByText('@example.org does not hold').count(), 3, 'three that are kept out say why');
  assert.deepEqual(await seen(page, 'rules-preview'), []);
  const { data } = await call('GET', `/v1/connections/${connection}`);
  assert.equal((data.syncs[0].rules ?? []).length, 0, 'a preview saves');

  // A refusal is said, and what was typed stays.
  await page.route('**/rules/preview', (route) =>
    route.fulfill({
      status: 429,
      contentType: 'application/problem+json',
      headers: { 'Retry-After': '60' },
      body: JSON.stringify({ status: 429, code: 'share_spent', title: 'x', detail: 'the caller has spent its share' }),
    }),
  );
  await page.getByLabel('Value').first().fill('@example.net');
  await page.getByText('Try again in 60 seconds').first().waitFor();
  assert.equal(await page.getByLabel('Value').first().inputValue(), '@example.net');
  assert.deepEqual(await seen(page, 'rules-preview-refused'), []);
  await page.unrouteAll();
});

test('mappings show what real records would become, saved or not', async () => {
  const { page } = tab;
  await page.goto(`${world.url}/connections/${connection}/mappings`);
  await page
    .getByRole('dialog')
    .getByRole('button', { name: 'Leave and lose it' })
    .click({ timeout: 2_000 })
    .catch(() => {});
  await page.getByRole('grid', { name: 'Mappings' }).waitFor();
  const writes = [];
  page.on('request', (r) => r.method() === 'PATCH' && writes.push(r.url()));
  await pressed(page.getByRole('button', { name: 'Preview', exact: true }));
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Would become').first().waitFor();
  await dialog.getByText('both sides hold the same').first().waitFor();
  assert.deepEqual(await seen(page, 'mappings-preview'), []);
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  // The transform of the title is changed on the screen alone: the preview shows what it would write.
  await pressed(page.getByRole('row', { name: /Job Title/i }).first());
  const form = page.getByRole('dialog', { name: 'Mapping' });
  for (const [label, option] of [
    ['Direction', 'To the right only'],
    ['How', 'fixed text'],
  ]) {
    await form
      .getByRole('combobox', { name: label })
      .or(form.getByRole('textbox', { name: label }))
      .first()
      .click();
    await page.getByRole('option', { name: option }).click();
  }
  await form.getByLabel('Text to write').fill('Everybody');
  await page.keyboard.press('Escape');
  await form.waitFor({ state: 'hidden' });
  await pressed(page.getByRole('button', { name: 'Preview', exact: true }));
  await page.getByRole('dialog').getByText('Everybody').first().waitFor();
  await page.keyboard.press('Escape');
  assert.deepEqual(writes, [], 'a preview saves');
  await page.getByRole('button', { name: 'Discard' }).click();
});

test('match steps say what they found of all records, and of one', async () => {
  const { page } = tab;
  await page.goto(`${world.url}/connections/${connection}/match`);
  await page.getByText(/the plan of/i).waitFor();
  await page
    .getByText(/linked/)
    .first()
    .waitFor();
  await page.getByLabel('Try one record').fill('nobody@example.com');
  await page.keyboard.press('Enter');
  await page.getByText('No record of this ID or address is known').waitFor();
  const { data } = await call('GET', `/v1/connections/${connection}/syncs/contacts/records?state=in_sync&limit=1`);
  await page.getByLabel('Try one record').fill(data.items[0].id);
  await page.keyboard.press('Enter');
  await page.getByText(`linked to ${data.items[0].partner}`).waitFor();
  assert.deepEqual(await seen(page, 'match-preview'), []);
});

test('a viewer, who may not have the apps asked, is offered no preview', async () => {
  const { data: key } = await call('POST', '/v1/keys', { name: 'looks', role: 'viewer' });
  const own = await watched(await chrome.newContext());
  const asked = [];
  own.page.on('request', (r) => /preview/.test(r.url()) && r.url().includes('/v1/') && asked.push(r.url()));
  await own.page.goto(`${world.url}/#key=${encodeURIComponent(key.key)}`);
  await own.page.getByRole('heading', { name: 'Connections' }).waitFor();
  for (const screen of ['rules', 'mappings', 'match']) {
    await own.page.goto(`${world.url}/connections/${connection}/${screen}`);
    await settled(own.page);
    assert.equal(await own.page.getByRole('button', { name: 'Preview', exact: true }).count(), 0);
  }
  assert.deepEqual([...asked, ...own.wrong], []);
});

test('nothing was refused by the policy and nothing thrown', async () => {
  assert.deepEqual([...tab.wrong, ...(await tab.violations())], []);
});
