// What was done can be taken back: a run by a plan of its own, which is looked
// at before it is applied, and one value from the history of its record.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fakeOf, opened, pressed, seen, settled, signedIn, until, watched } from './browser.mjs';

let world;
let chrome;
let call;
let connection;
let record;
let tab;

before(async () => {
  ({ world, chrome, call, connection, tab } = await signedIn(40));
  const { data } = await call('GET', `/v1/connections/${connection}/syncs/contacts/records?state=in_sync&limit=1`);
  record = data.items[0];
});

after(async () => {
  await chrome?.close();
  await world?.stop();
});

const there = async (id) => (await fakeOf(world.fakes[1])(`/records/Contact/${id}`)).json();

test('one value is put back from the history of its record, by keyboard', async () => {
  const { page } = tab;
  const was = (await there(record.partner)).fields.Title;
  await fakeOf(world.fakes[0])(`/records/contacts/${record.id}`, 'PATCH', { fields: { jobtitle: 'By mistake' } });
  await until('the value in the other app', async () => (await there(record.partner)).fields.Title === 'By mistake');
  await page.goto(`${world.url}/connections/${connection}/records/contacts/left/${record.id}`);
  await settled(page);
  const back = page.getByRole('button', { name: 'Put back Title of Salesforce' }).first();
  await back.waitFor();
  assert.deepEqual(await seen(page, 'record-history'), []);
  await pressed(back);
  const dialog = page.getByRole('dialog');
  await dialog.getByText('gets').waitFor();
  assert.deepEqual(await seen(page, 'record-restore'), []);
  await pressed(dialog.getByRole('button', { name: 'Put it back' }));
  await dialog.waitFor({ state: 'hidden' });
  await until('the value of before', async () => ((await there(record.partner)).fields.Title ?? '') === (was ?? ''));
});

test('a run is undone by a plan that is looked at first, by keyboard', async () => {
  const { page } = tab;
  const { data } = await call('GET', `/v1/connections/${connection}/syncs/contacts/records?state=in_sync&limit=3`);
  const other = data.items.find((r) => r.id !== record.id);
  await call('POST', `/v1/connections/${connection}/pause`);
  const was = (await there(other.partner)).fields.MailingCity;
  await fakeOf(world.fakes[0])(`/records/contacts/${other.id}`, 'PATCH', { fields: { city: 'Nowhere' } });
  await call('POST', `/v1/connections/${connection}/start`);
  await until('the value in the other app', async () => {
    await call('POST', `/v1/connections/${connection}/syncs/contacts/records/left/${other.id}/sync`);
    return (await there(other.partner)).fields.MailingCity === 'Nowhere';
  });
  const run = await until('the run', async () => {
    const log = await call('GET', `/v1/log?connection=${connection}&record=${other.id}&side=left&event=updated`);
    const id = log.data.items[0].run;
    const { data: got } = await call('GET', `/v1/runs/${encodeURIComponent(id)}`);
    return got.state === 'done' && got;
  });
  await page.goto(`${world.url}/runs/${encodeURIComponent(run.id)}`);
  await settled(page);
  await pressed(page.getByRole('button', { name: 'Undo the run' }));
  const asked = page.getByRole('dialog');
  assert.deepEqual(await seen(page, 'run-undo'), []);
  await pressed(asked.getByRole('button', { name: 'Make the plan' }));
  await page.getByRole('heading', { name: 'Plan of an undo' }).waitFor();
  const row = page.getByRole('row', { name: new RegExp(other.id) });
  await row.waitFor();
  assert.equal((await there(other.partner)).fields.MailingCity, 'Nowhere', 'a plan writes');
  assert.deepEqual(await seen(page, 'undo-plan'), []);
  const change = await opened(row);
  await until('the change, looked at', async () => {
    const said = await change.textContent();
    if (!said.includes('Nowhere')) throw new Error(`the dialog says ${JSON.stringify(said)}`);
    return true;
  });
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await pressed(page.getByRole('button', { name: 'Apply exactly this' }));
  await pressed(page.getByRole('dialog').getByRole('button', { name: 'Apply it' }));
  await page.waitForURL(/\/runs\//);
  await until(
    'the value of before',
    async () => ((await there(other.partner)).fields.MailingCity ?? '') === (was ?? ''),
  );
  await page.getByText('Put back').or(page.getByText('Updated')).first().waitFor();
});

test('whom nothing can be undone by is not offered it, and a refusal is said in words', async () => {
  const { page } = tab;
  const runs = (await call('GET', '/v1/runs')).data.items;
  await page.goto(`${world.url}/runs/${runs.find((r) => r.kind === 'plan').id}`);
  await settled(page);
  assert.equal(await page.getByRole('button', { name: 'Undo the run' }).count(), 0, 'a plan can be undone');
  const done = runs.find((r) => r.undo_until && r.state === 'done');
  await page.route('**/v1/runs/*/undo', (route) =>
    route.fulfill({
      status: 409,
      contentType: 'application/problem+json',
      body: JSON.stringify({ status: 409, code: 'undo_expired', title: 'x', detail: 'the log is gone' }),
    }),
  );
  await page.goto(`${world.url}/runs/${encodeURIComponent(done.id)}`);
  await pressed(page.getByRole('button', { name: 'Undo the run' }));
  await pressed(page.getByRole('dialog').getByRole('button', { name: 'Make the plan' }));
  await page.getByRole('dialog').getByText('The log is gone').waitFor();
  await page.unrouteAll();

  const { data: key } = await call('POST', '/v1/keys', { name: 'looks', role: 'viewer' });
  const own = await watched(await chrome.newContext());
  await own.page.goto(`${world.url}/#key=${encodeURIComponent(key.key)}`);
  await own.page.getByRole('heading', { name: 'Connections' }).waitFor();
  await own.page.goto(`${world.url}/runs/${encodeURIComponent(done.id)}`);
  await settled(own.page);
  assert.equal(await own.page.getByRole('button', { name: 'Undo the run' }).count(), 0, 'a viewer may undo');
  await own.page.goto(`${world.url}/connections/${connection}/records/contacts/left/${record.id}`);
  await own.page.getByText('Values written').waitFor();
  assert.equal(await own.page.getByRole('button', { name: /^Put back/ }).count(), 0, 'a viewer may put back');
});

test('nothing was refused by the policy and nothing thrown', async () => {
  assert.deepEqual([...tab.wrong, ...(await tab.violations())], []);
});
