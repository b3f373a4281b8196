// The rows of docs/features.md that are screens. A test's name begins with the
// numbers of its rows; make rows prints them beside those shown through HTTP.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fakeOf, pressed, seen, settled, signedIn, until } from './browser.mjs';

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

const button = (name) => tab.page.getByRole('button', { name, exact: true });
const go = async (path) => {
  await tab.page.goto(world.url + path);
  await settled(tab.page);
};
const drafts = async () => (await call('GET', '/v1/connections')).data.items.filter((c) => c.status === 'draft');

test('row 15: what is between two apps is configured only when both accounts are chosen', async () => {
  const { page } = tab;
  const accounts = (await call('GET', '/v1/accounts')).data.items;
  const partners = (await call('GET', '/v1/apps/hubspot/partners')).data.items;
  const without = partners.find((p) => !accounts.some((a) => a.app === p.app));
  await go(`/new?left=hubspot&right=${without.app}&step=accounts`);
  await page.getByText(`No account of ${without.name} yet`).waitFor();
  assert.ok(await button(`Configure the sync between HubSpot and ${without.name}`).isDisabled());
  await go('/new?left=hubspot&right=salesforce&step=accounts');
  const configure = button('Configure the sync between HubSpot and Salesforce');
  await page.getByRole('radiogroup', { name: 'Account of Salesforce' }).waitFor();
  assert.ok(await configure.isEnabled());
  const before = (await drafts()).length;
  await page.getByLabel('Name of the connection').fill('Row 15');
  await pressed(configure);
  await page.waitForURL(/\/new\/con_\w+\/object$/);
  assert.equal((await drafts()).length, before + 1);
});

test('row 18: what is available is browsed, and says more of each direction for itself', async () => {
  const { page } = tab;
  await go('/apps');
  await page.getByLabel('Search apps').fill('salesforce');
  await page.getByRole('heading', { name: 'Salesforce' }).waitFor();
  const more = page.locator('summary', { hasText: 'HubSpot' }).first();
  await more.focus();
  await page.keyboard.press('Enter');
  const there = page
    .getByRole('listitem')
    .filter({ hasText: /^HubSpot\s+Salesforce: contacts as Contact, \d+ fields/ });
  const back = page.getByRole('listitem').filter({ hasText: /^Salesforce\s+HubSpot: Contact as contacts, \d+ fields/ });
  await there.waitFor();
  await back.waitFor();
  assert.deepEqual(await seen(page, 'row-18'), []);
});

test('row 21: an app is found by search and configured from there', async () => {
  const { page } = tab;
  await go('/apps');
  const all = await page.locator('.panel').count();
  await page.getByLabel('Search apps').fill('hubsp');
  await page.waitForFunction((n) => document.querySelectorAll('.panel').length < n, all);
  await pressed(page.getByRole('link', { name: 'Set up a connection of HubSpot' }));
  await page.waitForURL(/\/new\?left=hubspot/);
  assert.equal(
    await page
      .getByRole('radiogroup', { name: 'First app' })
      .getByRole('radio', { name: /^H?HubSpot/ })
      .getAttribute('aria-checked'),
    'true',
  );
  await page.getByRole('radiogroup', { name: 'Connect it with' }).waitFor();
  await go('/apps');
  await page.getByLabel('Search apps').fill('no such app');
  await page.getByText('No app of this name').waitFor();
});

test('row 25: name, authorisation, mapping, finish: the steps between can be left out', async () => {
  const { page } = tab;
  await go('/new?left=hubspot&right=salesforce&step=accounts');
  await page.getByLabel('Name of the connection').fill('Row 25');
  await pressed(button('Configure the sync between HubSpot and Salesforce'));
  await page.waitForURL(/\/object$/);
  const steps = page.getByRole('navigation', { name: 'Steps of the set-up' });
  await pressed(steps.getByRole('link', { name: /Mappings/ }));
  await page.getByRole('grid', { name: 'Mappings' }).waitFor();
  await pressed(button('Go on: review'));
  await page.waitForURL(/\/review$/);
  await button('Start syncing now').waitFor();
  assert.ok(await button('Start syncing now').isEnabled());
  assert.deepEqual(await seen(page, 'row-25'), []);
});

test('row 29: each connection is switched on and off in the list', async () => {
  const { page } = tab;
  const enabled = async () => (await call('GET', `/v1/connections/${connection}`)).data.enabled;
  await go('/connections');
  const row = page.getByRole('row', { name: /HubSpot <-> Salesforce/ });
  const toggle = row.getByRole('switch');
  assert.equal(await toggle.isChecked(), true);
  await toggle.focus();
  await page.keyboard.press('Space');
  await until('it is off', async () => (await enabled()) === false);
  await row.getByText('Off', { exact: true }).waitFor();
  assert.deepEqual(await seen(page, 'row-29'), []);
  await row.getByRole('switch').focus();
  await page.keyboard.press('Space');
  await until('it is on', enabled);
  await row.getByText('Active', { exact: true }).waitFor();
});

test('row 33: a draft is activated by a button, and its first sync begins', async () => {
  const { page } = tab;
  const [draft] = (await drafts()).filter((c) => c.name === 'Row 25');
  await call('POST', `/v1/connections/${connection}/pause`);
  const { data, etag } = await call('GET', `/v1/connections/${draft.id}`);
  await call(
    'PATCH',
    `/v1/connections/${draft.id}`,
    { ...data, shared: true, syncs: data.syncs },
    { 'If-Match': etag },
  );
  await go(`/new/${draft.id}/review`);
  await pressed(button('Start syncing now'));
  await pressed(page.getByRole('dialog').getByRole('button', { name: 'Start syncing' }));
  await page.waitForURL(new RegExp(`/connections/${draft.id}/?$`));
  await until('the first sync', async () => {
    const runs = (await call('GET', `/v1/runs?connection=${draft.id}`)).data.items;
    return runs.some((r) => r.kind === 'initial');
  });
  assert.equal((await call('GET', `/v1/connections/${draft.id}`)).data.status, 'active');
  await page.getByText('Active', { exact: true }).first().waitFor();
  await call('POST', `/v1/connections/${draft.id}/pause`);
  await call('POST', `/v1/connections/${connection}/start`);
});

test('row 87: each rule has links that add filters and actions of its own', async () => {
  const { page } = tab;
  await go(`/connections/${connection}/rules`);
  const panel = page.locator('.panel').filter({ hasText: 'Add rule' }).first();
  await pressed(panel.getByRole('button', { name: 'Add rule' }));
  await pressed(panel.getByRole('button', { name: 'Add rule' }));
  const rules = panel.locator('.panel-body .group').filter({ has: page.getByRole('switch') });
  assert.equal(await rules.count(), 2);
  await pressed(rules.nth(1).getByRole('button', { name: 'add filter …' }));
  await pressed(rules.nth(1).getByRole('button', { name: 'add action …' }));
  assert.equal(await rules.nth(0).getByLabel('Operator').count(), 0, 'a filter of one rule is in another');
  await rules.nth(1).getByLabel('Value').fill('ada@example.com');
  await rules.nth(1).getByLabel('Tag', { exact: true }).fill('FromHubSpot');
  await rules.nth(1).getByText('add the tag').first().waitFor();
  assert.deepEqual(await seen(page, 'row-87'), []);
  await button('Discard').click();
});

test('row 152: finishing says every problem at once, and nothing when there is none', async () => {
  const { page } = tab;
  const [draft] = (await drafts()).filter((c) => c.name === 'Row 15');
  const { data, etag } = await call('GET', `/v1/connections/${draft.id}`);
  const good = data.syncs;
  const bad = structuredClone(good);
  bad[0].mappings[0].left = ['no_such_field'];
  bad[0].mappings[1].right = ['Neither__c'];
  await call('PATCH', `/v1/connections/${draft.id}`, { shared: true, syncs: bad }, { 'If-Match': etag });
  await go(`/new/${draft.id}/review`);
  await pressed(button('Check everything'));
  await page
    .getByText(/no_such_field/)
    .first()
    .waitFor();
  await page
    .getByText(/Neither__c/)
    .first()
    .waitFor();
  assert.deepEqual(await seen(page, 'row-152'), []);
  const now = await call('GET', `/v1/connections/${draft.id}`);
  await call('PATCH', `/v1/connections/${draft.id}`, { syncs: good }, { 'If-Match': now.etag });
  await page.reload();
  await settled(page);
  await pressed(button('Check everything'));
  await page
    .getByText(/no_such_field/)
    .first()
    .waitFor({ state: 'hidden' });
  await page.getByText('Nothing is wrong').or(page.getByText('Worth knowing')).first().waitFor();
});

test('row 173: while a run goes on its progress is shown, with pause and configuration on top', async () => {
  const { page } = tab;
  await fakeOf(world.fakes[0])('/latency', 'PUT', { latency: '1s' });
  await call('POST', `/v1/connections/${connection}/syncs/contacts/resync`);
  await page.goto(`${world.url}/connections/${connection}`);
  await page.getByRole('progressbar', { name: 'Progress of the run' }).waitFor();
  await button('Pause').waitFor();
  const configuration = page.getByRole('link', { name: 'Configuration' });
  const [top, below] = await Promise.all([
    button('Pause').boundingBox(),
    page.getByRole('progressbar', { name: 'Progress of the run' }).boundingBox(),
  ]);
  assert.ok(top.y < below.y, 'pause is not on top');
  await pressed(button('Pause'));
  await until('the pause', async () => (await call('GET', `/v1/connections/${connection}`)).data.status === 'paused');
  await fakeOf(world.fakes[0])('/latency', 'PUT', { latency: '0s' });
  await pressed(button('Resume'));
  await button('Pause').waitFor();
  await pressed(configuration);
  await page.waitForURL(/\/settings$/);
});

test('row 174: the log lists all outcomes but the unchanged, newest first', async () => {
  const { page } = tab;
  await go(`/connections/${connection}`);
  await pressed(page.getByRole('navigation', { name: 'Of this connection' }).getByRole('link', { name: 'Log' }));
  const grid = page.getByRole('grid', { name: 'Log' });
  await grid.waitFor();
  const { data } = await call('GET', `/v1/log?connection=${connection}&limit=20`);
  const times = data.items.map((e) => Date.parse(e.time));
  assert.deepEqual(
    times,
    [...times].sort((a, b) => b - a),
  );
  const rows = grid.getByRole('row');
  await rows.filter({ hasText: data.items[0].record }).first().waitFor();
  assert.ok((await rows.nth(1).textContent()).includes(data.items[0].record), 'the newest is not first');
  assert.equal(await grid.getByText('Unchanged', { exact: true }).count(), 0);
});

test('row 211: the side has New connection and Connections, which lists and edits them', async () => {
  const { page } = tab;
  await go('/log');
  const side = page.getByRole('navigation', { name: 'Main' });
  await pressed(side.getByRole('link', { name: 'Connections', exact: true }));
  await page.waitForURL(/\/connections$/);
  const grid = page.getByRole('grid', { name: 'Connections' });
  await grid.getByText('Row 15').waitFor();
  await pressed(grid.getByRole('link', { name: 'Row 15' }));
  await page.waitForURL(/\/new\/con_\w+\/object$/);
  await page.goBack();
  await grid.waitFor();
  await pressed(grid.getByRole('link', { name: 'HubSpot <-> Salesforce' }));
  await page.waitForURL(new RegExp(`/connections/${connection}/?$`));
  await pressed(page.getByRole('link', { name: 'Settings' }).last());
  await page.goto(`${world.url}/log`);
  await pressed(page.getByRole('link', { name: 'New connection' }).first());
  await page.getByRole('navigation', { name: 'Steps of the set-up' }).waitFor();
  assert.equal(await page.getByRole('navigation', { name: 'Steps of the set-up' }).getByRole('listitem').count(), 8);
});

test('nothing was refused by the policy and nothing thrown', async () => {
  assert.deepEqual([...tab.wrong, ...(await tab.violations())], []);
});
