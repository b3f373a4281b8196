// From an empty workspace to records in step, by clicks and keys alone; then
// what an admin does in a year: pause, a conflict, a failure repaired, roles,
// deleting.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { axe } from './axe.mjs';
import { api, browser, pressed as enter, fakeOf, program, settled, until, watched } from './browser.mjs';

const people = 20;
let chrome;
let serve;
let hubspot;
let salesforce;
let folder;
let url;
let key;
let context;
let tab;

before(async () => {
  const fake = (app) =>
    program(['fake', app, '--addr', '127.0.0.1:0', '--seed', String(people)], /address\s+http:\/\/(\S+)[\s\S]*knobs/);
  [hubspot, salesforce] = await Promise.all([fake('hubspot'), fake('salesforce')]);
  folder = mkdtempSync(join(tmpdir(), 'lockstep-console-'));
  serve = await program(
    [
      'serve',
      '--addr',
      '127.0.0.1:0',
      '--data',
      join(folder, 'data'),
      '--allow-host',
      hubspot.match[1],
      '--allow-host',
      salesforce.match[1],
    ],
    /be signed in: (http:\S+?)\/#key=(\S+)\n/,
  );
  url = serve.match[1];
  key = decodeURIComponent(serve.match[2]);
  chrome = await browser();
  context = await chrome.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
  tab = await watched(context);
});

after(async () => {
  await chrome?.close();
  await Promise.all([serve?.stop(), hubspot?.stop(), salesforce?.stop()]);
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const button = (name) => tab.page.getByRole('button', { name, exact: true });
const fake = (which, ...rest) => fakeOf(`http://${which.match[1]}`)(...rest);

let connection;

test('from an empty workspace to records in step, in eight steps, by keyboard', async () => {
  const { page } = tab;
  await page.goto(`${url}/#key=${encodeURIComponent(key)}`);
  await page.getByText('No connection yet').waitFor();
  assert.ok(!page.url().includes('key='), 'the key stays in no address');
  await enter(page.getByRole('link', { name: 'Make the first one' }));
  await page.getByRole('radiogroup', { name: 'First app' }).waitFor();
  await page.getByLabel('Search: First app').fill('hub');
  await enter(page.getByRole('radiogroup', { name: 'First app' }).getByRole('radio'));
  await enter(page.getByRole('radiogroup', { name: 'Connect it with' }).getByRole('radio', { name: /Salesforce/ }));
  await enter(button('Go on: accounts'));

  for (const [name, host, fill] of [
    ['HubSpot', hubspot.match[1], { 'Way to authorise': 'token', 'Private app access token': 'pat-fake-private-app' }],
    [
      'Salesforce',
      salesforce.match[1],
      { 'Consumer key': '3MVG9lockstep.fake.consumer.key', 'Consumer secret': 'lockstep-fake-consumer-secret' },
    ],
  ]) {
    await enter(button(`Authorise ${name}`));
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Address').fill(`http://${host}`);
    for (const [label, value] of Object.entries(fill)) {
      if (value === 'token') {
        await dialog
          .getByRole('combobox', { name: label })
          .or(dialog.getByRole('textbox', { name: label }))
          .first()
          .click();
        await page.getByRole('option', { name: 'Access token' }).click();
      } else
        await dialog
          .getByLabel(new RegExp(`^${label}`))
          .first()
          .fill(value);
    }
    await enter(dialog.getByRole('button', { name: 'Add', exact: true }));
    await dialog.waitFor({ state: 'hidden' });
    await page
      .getByRole('radiogroup', { name: `Account of ${name}` })
      .getByText('Works')
      .waitFor();
  }
  await enter(button('Configure the sync between HubSpot and Salesforce'));
  await page.waitForURL(/\/new\/con_\w+\/object$/);
  connection = /\/new\/(con_\w+)\//.exec(page.url())[1];

  for (const [step, what] of [
    ['direction', () => page.getByRole('radio', { name: /Both ways/ })],
    [
      'rules',
      () =>
        page.getByText('Every record of HubSpot is added to Salesforce').or(page.getByText(/Every record of/).first()),
    ],
    ['settings', () => page.getByText('Pull schedule')],
    ['mappings', () => page.getByRole('grid', { name: 'Mappings' })],
    ['review', () => button('Start syncing now')],
  ]) {
    const label = {
      direction: 'direction',
      rules: 'rules',
      settings: 'settings',
      mappings: 'mappings',
      review: 'review',
    }[step];
    await settled(page);
    await enter(button(`Go on: ${label}`));
    await page.waitForURL(new RegExp(`/${step}$`));
    await what().first().waitFor();
    assert.deepEqual(await axe(page), [], step);
  }
  // Each step has an address of its own, and what was chosen is still there.
  await page.goto(`${url}/new/${connection}/direction`);
  assert.equal(await page.getByRole('radio', { name: /Both ways/ }).getAttribute('aria-checked'), 'true');
  await page.goBack();
  await enter(button('Check everything'));
  await page.getByText('Worth knowing').or(page.getByText('Nothing is wrong')).first().waitFor();
  await enter(button('Start syncing now'));
  const dialog = page.getByRole('dialog');
  await dialog.getByText('are about to be written').waitFor();
  assert.deepEqual(await axe(page), []);
  await enter(dialog.getByRole('button', { name: 'Start syncing' }));
  await page.waitForURL(new RegExp(`/connections/${connection}/?$`));
  const call = api(url, key);
  await until('the first sync', async () => {
    const { data } = await call('GET', `/v1/connections/${connection}/status`);
    return !data.syncs[0].open_run && data.syncs[0].states.left.in_sync >= people;
  });
  await page.reload();
  await page
    .getByText(/Nothing fails/)
    .first()
    .waitFor();
});

test('a conflict is decided by keyboard, and the value is in both apps', async () => {
  const { page } = tab;
  const call = api(url, key);
  const { data: document, etag } = await call('GET', `/v1/connections/${connection}`);
  document.syncs[0].conflict = 'review';
  await call('PATCH', `/v1/connections/${connection}`, { syncs: document.syncs }, { 'If-Match': etag });
  await page.goto(`${url}/connections/${connection}`);
  await enter(button('Pause'));
  await page.getByText('Paused', { exact: true }).first().waitFor();
  const { data } = await call('GET', `/v1/connections/${connection}/syncs/contacts/records?state=in_sync&limit=1`);
  const [record] = data.items;
  await fake(hubspot, `/records/contacts/${record.id}`, 'PATCH', { fields: { city: 'Left Town' } });
  await fake(salesforce, `/records/Contact/${record.partner}`, 'PATCH', { fields: { MailingCity: 'Right Town' } });
  await enter(button('Resume'));
  await page.getByText('Active', { exact: true }).first().waitFor();
  await call('POST', `/v1/connections/${connection}/syncs/contacts/records/left/${record.id}/sync`);
  await until('the conflict', async () => {
    const got = await call('GET', `/v1/connections/${connection}/syncs/contacts/records?state=conflict&limit=1`);
    return got.data.items.length > 0;
  });
  await page.goto(`${url}/connections/${connection}/conflicts`);
  await page.getByText('Left Town').first().waitFor();
  await page.getByText('Right Town').first().waitFor();
  assert.deepEqual(await axe(page), []);
  await page.keyboard.press('2');
  await page.keyboard.press('Control+Enter');
  await until('the decision in the other app', async () => {
    const got = await (await fake(hubspot, `/records/contacts/${record.id}`)).json();
    return JSON.stringify(got).includes('Right Town');
  });
});

test('what failed is found, repaired and tried again', async () => {
  const { page } = tab;
  const call = api(url, key);
  const rules = (all) => fake(salesforce, '/validations', 'PUT', { rules: all });
  await rules([{ object: 'Contact', field: 'Title', contains: 'Refused', names: ['Title'], api_only: true }]);
  const { data } = await call('GET', `/v1/connections/${connection}/syncs/contacts/records?state=in_sync&limit=2`);
  const record = data.items[1];
  await fake(hubspot, `/records/contacts/${record.id}`, 'PATCH', { fields: { jobtitle: 'Refused once' } });
  await call('POST', `/v1/connections/${connection}/syncs/contacts/records/left/${record.id}/sync`);
  const failed = `/v1/log?connection=${connection}&record=${record.id}&side=left&sync_status=error`;
  const entry = await until('the failure', async () => (await call('GET', failed)).data.items[0]);
  await page.goto(`${url}/connections/${connection}/log`);
  await page
    .getByRole('combobox', { name: 'Sync status' })
    .or(page.getByRole('textbox', { name: 'Sync status' }))
    .first()
    .click();
  await page.getByRole('option', { name: 'Records: error' }).click();
  assert.match(page.url(), /outcome=error/, 'a filter has an address');
  await page.getByRole('grid', { name: 'Log' }).waitFor();
  await page
    .getByRole('row', { name: new RegExp(record.id) })
    .first()
    .focus();
  await page.keyboard.press('Enter');
  const drawer = page.getByRole('dialog');
  await drawer.getByText('What to do').first().waitFor();
  assert.match(page.url(), /entry=/, 'an entry has an address of its own');
  assert.deepEqual(await axe(page), []);
  await rules([]);
  await enter(drawer.getByRole('button', { name: 'Retry', exact: true }));
  await until('the value in the other app', async () => {
    const got = await (await fake(salesforce, `/records/Contact/${record.partner}`)).text();
    return got.includes('Refused once');
  });
  await page.goto(`${url}/connections/${connection}/log?entry=${encodeURIComponent(entry.id)}`);
  await page.getByText('resolved since').waitFor();
  assert.equal(
    await page.getByRole('button', { name: 'Retry', exact: true }).count(),
    0,
    'what is resolved can be retried',
  );
});

test('each role is offered what it may do', async () => {
  const call = api(url, key);
  for (const [role, sees, not] of [
    ['viewer', ['Connections', 'Log', 'Accounts'], ['Keys', 'Audit', 'Dead items', 'New connection']],
    ['member', ['Connections', 'Dead items'], ['Keys', 'Erasures', 'New connection']],
  ]) {
    const { data } = await call('POST', '/v1/keys', {
      name: role,
      role,
      user: { email: `${role}@example.com`, roles: ['member'] },
    });
    const own = await chrome.newContext({ viewport: { width: 1280, height: 900 } });
    const { page, wrong, violations } = await watched(own);
    await page.goto(`${url}/#key=${encodeURIComponent(data.key)}`);
    const nav = page.getByRole('navigation', { name: 'Main' });
    await nav.waitFor();
    for (const name of sees) await nav.getByRole('link', { name, exact: true }).waitFor();
    for (const name of not)
      assert.equal(await nav.getByRole('link', { name, exact: true }).count(), 0, `${role} is offered ${name}`);
    await page.goto(`${url}/connections/${connection}`);
    await settled(page);
    assert.equal(await page.getByRole('button', { name: 'Pause' }).count(), 0, `${role} is offered to pause`);
    assert.equal(
      await page.getByRole('button', { name: 'Pull now' }).count(),
      role === 'member' ? 1 : 0,
      `${role} and pulls`,
    );
    if (role === 'viewer') {
      await page.getByText('every field value is masked').waitFor();
      const { data: records } = await call(
        'GET',
        `/v1/connections/${connection}/syncs/contacts/records?state=in_sync&limit=1`,
      );
      await page.goto(`${url}/connections/${connection}/records/contacts/left/${records.items[0].id}`);
      await page.getByText('•••').first().waitFor();
      assert.equal(await page.locator('#content').getByText('@example').count(), 0, 'an address is shown to a viewer');
      await page.goto(`${url}/keys`);
      await page.getByText('You may not see or do this').waitFor();
    }
    assert.deepEqual([...wrong, ...(await violations())], [], role);
    await own.close();
  }
});

test('a connection is deleted by typing its name', async () => {
  const { page } = tab;
  await page.goto(`${url}/connections/${connection}/danger`);
  await enter(button('Delete this connection'));
  const dialog = page.getByRole('dialog');
  const go = dialog.getByRole('button', { name: 'Delete for good' });
  assert.ok(await go.isDisabled());
  await dialog.getByLabel(/Type/).fill('HubSpot <-> Sales');
  assert.ok(await go.isDisabled(), 'half a name is enough');
  await dialog.getByLabel(/Type/).fill('HubSpot <-> Salesforce');
  assert.deepEqual(await axe(page), []);
  await enter(go);
  await page.waitForURL(/\/connections$/);
  const records = await (await fake(hubspot, '/records/contacts')).text();
  assert.ok(records.split('\n').length > people, 'records went with the connection');
});

test('nothing was refused by the policy and nothing thrown', async () => {
  assert.deepEqual([...tab.wrong, ...(await tab.violations())], []);
});
