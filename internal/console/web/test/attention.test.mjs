// What needs a person: a field that was renamed in its app is named anew by one
// click, a mass deletion is let through or forgotten after saying what either
// would do; who hears of it; what a start needs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fakeOf, pressed, seen, settled, signedIn, until } from './browser.mjs';

let world;
let chrome;
let call;
let connection;
let tab;

const at = () => `/v1/connections/${connection}`;
const status = async () => (await call('GET', `${at()}/status`)).data.syncs[0];

before(async () => {
  ({ world, chrome, call, connection, tab } = await signedIn(120));
});

after(async () => {
  await chrome?.close();
  await world?.stop();
});

const button = (name) => tab.page.getByRole('button', { name, exact: typeof name === 'string' });
const choose = async (label, option) => {
  const { page } = tab;
  await page
    .getByRole('combobox', { name: label })
    .or(page.getByRole('textbox', { name: label }))
    .first()
    .click();
  await page.getByRole('option', { name: option }).first().click();
};

test('a renamed field is held, and named anew by one click', async () => {
  const { page } = tab;
  const { data: document } = await call('GET', at());
  const mapping = document.syncs[0].mappings.find((m) => m.right[0] === 'Score__c');
  await fakeOf(world.fakes[1])('/fields/Contact/Score__c', 'PATCH', { rename: 'Score_2__c' });
  await until('the hold', async () => {
    await call('GET', `/v1/accounts/${document.right.account}/objects/Contact/fields?refresh=true`);
    await call('POST', `${at()}/syncs/contacts/pull`).catch(() => undefined);
    return (await status()).held?.some((h) => h.id === mapping.id);
  });
  await page.goto(`${world.url}/connections/${connection}`);
  await page.getByText('no longer shows Score__c').waitFor();
  await page.getByText('Needs attention: 1').waitFor(); // the same thing is told once
  const repair = button(/Use .*Score_2__c.* instead/);
  await repair.waitFor();
  assert.deepEqual(await seen(page, 'held'), []);
  // A refusal is said, and the offer stays.
  await page.route('**/mappings/*', (route) =>
    route.request().method() === 'PATCH'
      ? route.fulfill({
          status: 412,
          contentType: 'application/problem+json',
          body: JSON.stringify({ status: 412, code: 'stale', title: 'x', detail: 'it was changed meanwhile' }),
        })
      : route.continue(),
  );
  await pressed(repair);
  await page.getByText('It was changed meanwhile').waitFor();
  await page.unrouteAll();
  await pressed(repair);
  await until('the repair', async () => {
    const { data } = await call('GET', at());
    return data.syncs[0].mappings.find((m) => m.id === mapping.id).right[0] === 'Score_2__c';
  });
  await until('nothing is held', async () => !(await status()).held?.length);
  await page.getByText('no longer shows Score__c').waitFor({ state: 'hidden' });
});

test('a field that became read-only is held, looked at again, and mended by one click', async () => {
  const { page } = tab;
  const { data: document } = await call('GET', at());
  const mapping = document.syncs[0].mappings.find((m) => m.left[0] === 'jobtitle');
  const readOnly = (on) => fakeOf(world.fakes[0])('/properties/contacts/jobtitle', 'PATCH', { read_only: on });
  await readOnly(true);
  await until('the hold', async () => {
    await call('GET', `/v1/accounts/${document.left.account}/objects/contacts/fields?refresh=true`);
    await call('POST', `${at()}/syncs/contacts/pull`).catch(() => undefined);
    return (await status()).held?.some((h) => h.id === mapping.id);
  });
  await page.goto(`${world.url}/connections/${connection}`);
  await page.getByText('it does not fit jobtitle of the left app any more').waitFor();
  await page.getByText('Needs attention: 1').waitFor();
  assert.deepEqual(await seen(page, 'changed'), []);
  await pressed(button('Ask the app again')); // which says what is missing still
  await page.getByRole('alert').getByText('is read-only').first().waitFor();
  await pressed(button('Write it to the right alone'));
  await until('nothing is held', async () => !(await status()).held?.length);
  await page.getByText('it does not fit jobtitle').first().waitFor({ state: 'hidden' });
  const { data } = await call('GET', at());
  assert.equal(data.syncs[0].mappings.find((m) => m.id === mapping.id).direction, 'to_right');
  await readOnly(false);
  await call('GET', `/v1/accounts/${document.left.account}/objects/contacts/fields?refresh=true`);
});

test('a mass deletion is halted, and each answer says what it would do', async () => {
  const { page } = tab;
  const { data: document, etag } = await call('GET', at());
  document.syncs[0].deletes = { ...document.syncs[0].deletes, to_right: 'archive' };
  await call('PATCH', at(), { syncs: document.syncs }, { 'If-Match': etag });
  const { data } = await call('GET', `${at()}/syncs/contacts/records?state=in_sync&limit=200`);
  const gone = data.items.filter((r) => r.side === 'left').slice(0, 60);
  await Promise.all(gone.map((r) => fakeOf(world.fakes[0])(`/records/contacts/${r.id}`, 'DELETE')));
  const halted = await until('the halt', async () => {
    await call('POST', `${at()}/syncs/contacts/pull`).catch(() => undefined); // there is a share of them
    return (await status()).halted;
  });
  await page.goto(`${world.url}/connections/${connection}`);
  await pressed(button('Let it through'));
  const dialog = page.getByRole('dialog');
  await dialog
    .getByText(`${halted.deletions} records are gone in HubSpot: their twins in Salesforce are archived`)
    .waitFor();
  assert.deepEqual(await seen(page, 'halted'), []);
  await pressed(dialog.getByRole('button', { name: 'Cancel' }));
  await dialog.waitFor({ state: 'hidden' });
  await pressed(button('Forget it'));
  await dialog.getByText('nothing is deleted in Salesforce').waitFor();
  await pressed(dialog.getByRole('button', { name: 'Forget it' }));
  await until('the end of the halt', async () => !(await status()).halted);
  const twin = await (await fakeOf(world.fakes[1])(`/records/Contact/${gone[0].partner}`)).json();
  assert.equal(twin.deleted, false);
});

test('who hears of alerts is chosen among the users, with a digest and quiet hours', async () => {
  const { page } = tab;
  await call('POST', '/v1/keys', {
    name: 'ops',
    role: 'admin',
    user: { email: 'ops@example.com', roles: ['operations'] },
  });
  await page.goto(`${world.url}/connections/${connection}/settings`);
  await settled(page);
  const on = page.getByRole('switch', { name: /Tell somebody/ });
  if (!(await on.isChecked())) {
    await on.focus();
    await page.keyboard.press('Space');
  }
  await choose('User', /ops@example.com/);
  await choose('Mails are sent', /once an hour/);
  await page.getByRole('switch', { name: /Quiet hours/ }).focus();
  await page.keyboard.press('Space');
  await page.getByLabel('From', { exact: true }).fill('21:30');
  assert.ok(await button('Send a test message').isDisabled(), 'a message goes by what is not saved');
  assert.deepEqual(await seen(page, 'notify'), []);
  // This program has no mail server: that is said, and nothing that was chosen is lost.
  await pressed(button('Save'));
  await page.getByText(/no mail can be sent/).waitFor();
  assert.equal(await page.getByLabel('From', { exact: true }).inputValue(), '21:30');
  await choose('User', 'nobody');
  await page.getByLabel('Webhook').fill('https://hooks.example.com/alerts');
  await pressed(button('Save'));
  await page.getByText('Unsaved changes').waitFor({ state: 'hidden' });
  const { data } = await call('GET', at());
  assert.deepEqual([data.notify.user, data.notify.digest], ['', 'hourly']);
  assert.deepEqual(data.notify.quiet_hours, { from: '21:30', to: '07:00', time_zone: 'UTC' });
  await pressed(button('New secret of the webhook'));
  await page.getByText(/^whsec_/).waitFor();
  await pressed(button('Send a test message'));
  await page.getByText(/^By webhook: /).waitFor({ timeout: 60_000 });
});

test('the review says what a start needs, and what of it is missing', async () => {
  const { page } = tab;
  const { data: document } = await call('GET', at());
  const { data: draft } = await call('POST', '/v1/connections?preset=hubspot-salesforce-contacts', {
    name: 'Not ready',
    left: document.left,
    right: document.right,
    shared: true,
  });
  await page.goto(`${world.url}/new/${draft.id}/review`);
  const panel = page.locator('.panel').filter({ hasText: 'What a start needs' });
  await panel.getByText('Ready', { exact: true }).waitFor();
  await panel.getByText('Nobody has looked at a dry run yet').waitFor();
  assert.deepEqual(await seen(page, 'readiness'), []);
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    panel.getByRole('link', { name: 'Download as CSV' }).click(),
  ]);
  assert.match(file.suggestedFilename(), /\.csv$/);
  const now = await call('GET', `/v1/connections/${draft.id}`);
  const syncs = now.data.syncs.map((s) => ({ ...s, mappings: s.mappings.map((m) => ({ ...m, enabled: false })) }));
  await call('PATCH', `/v1/connections/${draft.id}`, { syncs }, { 'If-Match': now.etag });
  await page.reload();
  await panel.getByText('Not ready', { exact: true }).waitFor();
  await panel.getByText('A start needs it').first().waitFor();
});

test('nothing was refused by the policy and nothing thrown', async () => {
  assert.deepEqual([...tab.wrong, ...(await tab.violations())], []);
});
