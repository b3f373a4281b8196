// HubSpot's own client library against the fake. The Go test
// TestVendorClient in internal/connector/hubspot/hubspotfake starts the fake
// and runs this file with its address and credentials in the environment.
import assert from 'node:assert/strict';
import http from 'node:http';
import test, {before} from 'node:test';
import {Client, Signature} from '@hubspot/api-client';

const base = process.env.LOCKSTEP_FAKE_HUBSPOT;
assert.ok(base, 'LOCKSTEP_FAKE_HUBSPOT must hold the address of the fake');
const {FAKE_TOKEN, FAKE_CLIENT_ID, FAKE_CLIENT_SECRET, FAKE_REFRESH_TOKEN, FAKE_PORTAL_ID, FAKE_UNIQUE_PROPERTY} = process.env;

const client = new Client({accessToken: FAKE_TOKEN, basePath: base, numberOfApiCallRetries: 0, limiterOptions: {}});
const {basicApi, batchApi, searchApi} = client.crm.contacts;

async function knob(method, path, body) {
  const resp = await fetch(base + '/_fake' + path, {
    method, body: body && JSON.stringify(body), headers: {'content-type': 'application/json'},
  });
  assert.equal(resp.status, 200, `${method} ${path}: ${resp.status}`);
  return resp.json();
}

async function refusal(promise) {
  try {
    await promise;
  } catch (err) {
    return {code: err.code, body: typeof err.body === 'string' ? JSON.parse(err.body) : err.body};
  }
  return assert.fail('the call should have been refused');
}

before(async () => knob('POST', '/seed', {people: 450, slot: 0}));

test('list, page by page', async () => {
  const seen = new Set();
  let after;
  do {
    const page = await basicApi.getPage(100, after, ['email', 'firstname', 'no_such_property']);
    for (const r of page.results) {
      seen.add(r.id);
      assert.ok('email' in r.properties && !('no_such_property' in r.properties));
      assert.ok(r.createdAt instanceof Date && r.updatedAt instanceof Date);
    }
    after = page.paging?.next?.after;
  } while (after);
  assert.equal(seen.size, 450);
  assert.equal((await refusal(basicApi.getPage(101))).code, 400);
});

test('search with paging, within its limits', async () => {
  const query = {
    filterGroups: [{filters: [{propertyName: 'lastmodifieddate', operator: 'GTE', value: '0'}]}],
    sorts: [{propertyName: 'lastmodifieddate', direction: 'ASCENDING'}],
    properties: ['email'], limit: 200,
  };
  const seen = new Set();
  let after = '0';
  let last = 0;
  while (after) {
    const page = await searchApi.doSearch({...query, after});
    assert.equal(page.total, 450);
    for (const r of page.results) {
      assert.ok(r.updatedAt.getTime() >= last, 'out of order');
      last = r.updatedAt.getTime();
      seen.add(r.id);
    }
    after = page.paging?.next?.after;
  }
  assert.equal(seen.size, 450);
  const beyond = await refusal(searchApi.doSearch({...query, after: '9900'}));
  assert.equal(beyond.code, 400);
  assert.equal(beyond.body.category, 'VALIDATION_ERROR');
  assert.equal((await refusal(searchApi.doSearch({...query, limit: 201}))).code, 400);
  assert.equal((await refusal(searchApi.doSearch({...query, sorts: [query.sorts[0], query.sorts[0]]}))).code, 400);
});

test('one record: create, read, update, archive', async () => {
  const made = await basicApi.create({properties: {email: 'one@example.com', lastname: 'O’Neill 🎉'}});
  assert.equal(made.properties.lastname, 'O’Neill 🎉');
  const clash = await refusal(basicApi.create({properties: {email: 'ONE@example.com'}}));
  assert.equal(clash.code, 409);
  assert.equal(clash.body.category, 'CONFLICT');
  assert.match(clash.body.message, new RegExp(`Existing ID: ${made.id}$`));
  const read = await basicApi.getById('one@example.com', ['email'], undefined, undefined, false, 'email');
  assert.equal(read.id, made.id);
  const changed = await basicApi.update(made.id, {properties: {lastname: ''}});
  assert.equal(changed.properties.lastname, null);
  const history = await basicApi.getById(made.id, undefined, ['lastname']);
  assert.deepEqual(history.propertiesWithHistory.lastname.map((v) => v.value), ['', 'O’Neill 🎉']);
  const unknown = await refusal(basicApi.update(made.id, {properties: {no_such_property: 'x'}}));
  assert.equal(unknown.code, 400);
  assert.equal(unknown.body.errors[0].code, 'PROPERTY_DOESNT_EXIST');
  await basicApi.archive(made.id);
  assert.equal((await refusal(basicApi.getById(made.id))).code, 404);
  const archived = await basicApi.getPage(100, undefined, undefined, undefined, undefined, true);
  assert.ok(archived.results.some((r) => r.id === made.id && r.archived));
});

test('batch create with a bad row', async () => {
  const rows = [
    {objectWriteTraceId: 'a', properties: {email: 'batch-a@example.com'}},
    {objectWriteTraceId: 'b', properties: {email: 'not an address'}},
    {objectWriteTraceId: 'c', properties: {email: 'batch-c@example.com'}},
  ];
  const out = await batchApi.create({inputs: rows});
  assert.equal(out.numErrors, 1);
  assert.deepEqual(out.results.map((r) => r.objectWriteTraceId).sort(), ['a', 'c']);
  assert.deepEqual(out.errors[0].context.objectWriteTraceId, ['b']);
  assert.equal(out.errors[0].errors[0].code, 'INVALID_EMAIL');

  const plain = [{properties: {email: 'batch-d@example.com'}}, {properties: {email: 'batch-a@example.com'}}];
  assert.equal((await refusal(batchApi.create({inputs: plain}))).code, 409);
  const none = await searchApi.doSearch({
    filterGroups: [{filters: [{propertyName: 'email', operator: 'EQ', value: 'batch-d@example.com'}]}], limit: 1,
  });
  assert.equal(none.total, 0, 'without trace IDs one bad row refuses them all');

  const many = Array.from({length: 101}, (_, i) => ({properties: {email: `many${i}@example.com`}}));
  assert.equal((await refusal(batchApi.create({inputs: many}))).code, 400);
});

test('batch read, update and archive with a row that is not there', async () => {
  const [a] = (await batchApi.create({inputs: [{properties: {email: 'rud@example.com', firstname: 'Rud'}}]})).results;
  const read = await batchApi.read({properties: ['firstname'], propertiesWithHistory: [], inputs: [{id: a.id}, {id: '999999999'}]});
  assert.equal(read.results.length, 1);
  assert.equal(read.errors[0].category, 'OBJECT_NOT_FOUND');
  assert.deepEqual(read.errors[0].context.ids, ['999999999']);
  const byMail = await batchApi.read({
    idProperty: 'email', properties: ['firstname'], propertiesWithHistory: [], inputs: [{id: 'RUD@example.com'}],
  });
  assert.equal(byMail.results[0].id, a.id);
  const updated = await batchApi.update({
    inputs: [{id: a.id, properties: {firstname: 'Ruth'}}, {id: '999999999', properties: {firstname: 'X'}}],
  });
  assert.equal(updated.results[0].properties.firstname, 'Ruth');
  assert.equal(updated.errors.length, 1);
  await batchApi.archive({inputs: [{id: a.id}]});
  assert.equal((await refusal(basicApi.getById(a.id))).code, 404);
});

test('batch upsert with a bad row', async () => {
  const row = (id, properties) => ({id, idProperty: FAKE_UNIQUE_PROPERTY, objectWriteTraceId: id, properties});
  const first = await batchApi.upsert({inputs: [row('k-1', {lastname: 'One'})]});
  assert.equal(first.results[0]._new ?? first.results[0].new, true);
  const out = await batchApi.upsert({inputs: [row('k-1', {lastname: 'Uno'}), row('k-2', {score: 'many'}), row('k-3', {lastname: 'Tre'})]});
  assert.equal(out.numErrors, 1);
  assert.deepEqual(out.errors[0].context.objectWriteTraceId, ['k-2']);
  const again = out.results.find((r) => r.id === first.results[0].id);
  assert.equal(again._new ?? again.new, false);
  assert.equal(again.properties.lastname, 'Uno');
  const notUnique = await refusal(batchApi.upsert({inputs: [{id: 'x', idProperty: 'city', properties: {}}]}));
  assert.equal(notUnique.code, 400);
});

test('properties', async () => {
  const api = client.crm.properties.coreApi;
  const all = (await api.getAll('contacts', false)).results;
  const stage = all.find((p) => p.name === 'lifecyclestage');
  assert.equal(stage.type, 'enumeration');
  assert.ok(stage.options.some((o) => o.value === 'lead'));
  assert.ok(all.find((p) => p.name === 'createdate').modificationMetadata.readOnlyValue);
  const wanted = {name: 'shoe_size', label: 'Shoe size', type: 'number', fieldType: 'number', groupName: 'contactinformation'};
  const made = await api.create('contacts', wanted);
  assert.equal(made.name, 'shoe_size');
  assert.equal((await refusal(api.create('contacts', wanted))).code, 409);
  await api.archive('contacts', 'shoe_size');
  assert.ok(!(await api.getAll('contacts', false)).results.some((p) => p.name === 'shoe_size'));
});

test('owners', async () => {
  const page = await client.crm.owners.ownersApi.getPage('robin@example.com');
  assert.equal(page.results.length, 1);
  const one = await client.crm.owners.ownersApi.getById(Number(page.results[0].id));
  assert.equal(one.email, 'robin@example.com');
});

test('OAuth refresh', async () => {
  const own = new Client({basePath: base, numberOfApiCallRetries: 0});
  const grant = await own.oauth.tokensApi.create('refresh_token', undefined, undefined, FAKE_CLIENT_ID, FAKE_CLIENT_SECRET, FAKE_REFRESH_TOKEN);
  assert.equal(grant.expiresIn, 1800);
  own.setAccessToken(grant.accessToken);
  assert.equal((await own.crm.contacts.basicApi.getPage(1)).results.length, 1);
  await knob('POST', '/tokens/expire');
  assert.equal((await refusal(own.crm.contacts.basicApi.getPage(1))).code, 401);
  const next = await own.oauth.tokensApi.create('refresh_token', undefined, undefined, FAKE_CLIENT_ID, FAKE_CLIENT_SECRET, grant.refreshToken);
  own.setAccessToken(next.accessToken);
  assert.equal((await own.crm.contacts.basicApi.getPage(1)).results.length, 1);
  const refused = await refusal(own.oauth.tokensApi.create('refresh_token', undefined, undefined, FAKE_CLIENT_ID, FAKE_CLIENT_SECRET, 'gone'));
  assert.equal(refused.code, 400);
});

test('limits are refused the way the client retries them', async () => {
  await knob('PUT', '/limits', {search_calls: 1, search_window: '1s'});
  const patient = new Client({accessToken: FAKE_TOKEN, basePath: base, numberOfApiCallRetries: 3, limiterOptions: {}});
  const query = {filterGroups: [], limit: 1};
  const complained = console.error;
  console.error = () => {};
  try {
    await patient.crm.contacts.searchApi.doSearch(query);
    await patient.crm.contacts.searchApi.doSearch(query);
  } finally {
    console.error = complained;
    await knob('PUT', '/limits', {});
  }
  const {throttled} = await knob('GET', '/requests');
  assert.ok(throttled >= 1, 'the second search should have been refused once');
});

test('signature of a webhook', async (t) => {
  const got = new Promise((resolve) => {
    const server = http.createServer((req, res) => {
      const parts = [];
      req.on('data', (d) => parts.push(d));
      req.on('end', () => {
        res.end();
        resolve({headers: req.headers, body: Buffer.concat(parts).toString(), server});
      });
    });
    t.after(() => server.close());
    server.listen(0, '127.0.0.1', async () => {
      const url = `http://127.0.0.1:${server.address().port}/hooks/x?y=1`;
      await knob('PUT', '/webhooks', {url, secret: 'the-app-secret', events: ['contact.propertyChange']});
      const {results} = await basicApi.getPage(1);
      await knob('PATCH', `/records/contacts/${results[0].id}`, {fields: {city: 'Köln & “Umland”'}});
    });
  });
  const {headers, body, server} = await got;
  const url = `http://127.0.0.1:${server.address().port}/hooks/x?y=1`;
  const signed = {
    method: 'POST', signatureVersion: 'v3', signature: headers['x-hubspot-signature-v3'],
    timestamp: Number(headers['x-hubspot-request-timestamp']), clientSecret: 'the-app-secret', requestBody: body, url,
  };
  assert.equal(Signature.isValid(signed), true);
  assert.equal(Signature.isValid({...signed, requestBody: body + ' '}), false);
  assert.equal(Signature.isValid({...signed, clientSecret: 'another'}), false);
  assert.equal(Signature.isValid({clientSecret: 'the-app-secret', signature: headers['x-hubspot-signature'], requestBody: body}), true);
  const [event] = JSON.parse(body);
  assert.equal(event.portalId, Number(FAKE_PORTAL_ID));
  assert.equal(event.subscriptionType, 'contact.propertyChange');
  assert.equal(event.propertyName, 'city');
});
