// jsforce, the client library that Salesforce's own tools stand on, against the
// fake. The Go test TestVendorClient in
// internal/connector/salesforce/salesforcefake starts the fake and runs this
// file with its address and credentials in the environment.
import './jsforce.node20.mjs';
import assert from 'node:assert/strict';
import test, {before} from 'node:test';

const {default: jsforce} = await import('jsforce');

const base = process.env.LOCKSTEP_FAKE_SALESFORCE;
assert.ok(base, 'LOCKSTEP_FAKE_SALESFORCE must hold the address of the fake');
const {FAKE_TOKEN, FAKE_REFRESH_TOKEN, FAKE_CLIENT_ID, FAKE_CLIENT_SECRET, FAKE_ORG_ID, FAKE_KEY_FIELD} = process.env;

const version = '67.0';
const oauth2 = () => new jsforce.OAuth2({
  loginUrl: base, clientId: FAKE_CLIENT_ID, clientSecret: FAKE_CLIENT_SECRET, redirectUri: 'https://lockstep.example/callback', useVerifier: true,
});
const conn = new jsforce.Connection({instanceUrl: base, accessToken: FAKE_TOKEN, version});

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
    return err;
  }
  return assert.fail('the call should have been refused');
}

const codes = results => results.map(r => (r.success ? 'ok' : r.errors[0].statusCode));

before(async () => knob('POST', '/seed', {people: 2300, slot: 0}));

test('query, with queryMore', async () => {
  const first = await conn.query('SELECT Id, Name, Email, HasOptedOutOfEmail, SystemModstamp FROM Contact ORDER BY SystemModstamp, Id');
  assert.equal(first.totalSize, 2300);
  assert.equal(first.done, false);
  assert.equal(first.records.length, 2000);
  const rest = await conn.queryMore(first.nextRecordsUrl);
  assert.equal(rest.done, true);
  const all = [...first.records, ...rest.records];
  assert.equal(new Set(all.map(r => r.Id)).size, 2300);
  for (const r of all) {
    assert.equal(r.attributes.type, 'Contact');
    assert.equal(typeof r.HasOptedOutOfEmail, 'boolean');
    assert.match(r.SystemModstamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000$/);
  }
  assert.deepEqual(all.map(r => r.SystemModstamp + r.Id), all.map(r => r.SystemModstamp + r.Id).sort());
  assert.match(conn.limitInfo.apiUsage.limit.toString(), /^\d+$/);
});

test('query built and escaped by the client', async () => {
  const name = "O'Neil 50%"; // jsforce escapes quotes, not backslashes
  const made = await conn.sobject('Contact').create({LastName: name, FirstName: 'Zoë 🙂'});
  const found = await conn.sobject('Contact').find({LastName: name}, ['Id', 'FirstName']).sort({LastName: 1}).limit(5);
  assert.deepEqual(found.map(r => r.Id), [made.id]);
  assert.equal(found[0].FirstName, 'Zoë 🙂');
  assert.equal(await conn.sobject('Contact').count({LastName: {$like: 'O%'}, FirstName: {$in: ['Zoë 🙂', 'x']}}), 1);
});

test('auto-fetched query and a bad query', async () => {
  const all = await conn.query('SELECT Id FROM Contact', {autoFetch: true, maxFetch: 5000});
  assert.ok(all.records.length >= 2300);
  assert.equal((await refusal(conn.query('SELECT Id FROM'))).errorCode, 'MALFORMED_QUERY');
  assert.equal((await refusal(conn.query('SELECT Foo FROM Contact'))).errorCode, 'INVALID_FIELD');
  assert.equal((await refusal(conn.query('SELECT Id FROM Nothing'))).errorCode, 'INVALID_TYPE');
});

test('insert, update and destroy as collections, with bad rows', async () => {
  const made = await conn.sobject('Contact').create([{LastName: 'One'}, {FirstName: 'Nobody'}, {LastName: 'Two', Email: 'not an address'}, {LastName: 'Three'}]);
  assert.deepEqual(codes(made), ['ok', 'REQUIRED_FIELD_MISSING', 'INVALID_EMAIL_ADDRESS', 'ok']);
  assert.deepEqual(made[1].errors[0].fields, ['LastName']);
  const [one, three] = [made[0].id, made[3].id];
  const updated = await conn.sobject('Contact').update([{Id: one, Phone: '+1 415 555 0100'}, {Id: three, Level__c: 'None of these'}]);
  assert.deepEqual(codes(updated), ['ok', 'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST']);
  const undone = await conn.sobject('Contact').update([{Id: one, Phone: null}, {Id: three, LastName: null}], {allOrNone: true});
  assert.deepEqual(codes(undone), ['ALL_OR_NONE_OPERATION_ROLLED_BACK', 'REQUIRED_FIELD_MISSING']);
  const read = await conn.sobject('Contact').retrieve([three, '003Lk00000000zzAAA', one], {fields: ['Id', 'Phone']});
  assert.deepEqual(read.map(r => r && r.Phone), [null, null, '+1 415 555 0100']);
  assert.equal(read[1], null);
  assert.deepEqual(codes(await conn.sobject('Contact').destroy([one, three, one])), ['ok', 'ok', 'ENTITY_IS_DELETED']);
});

test('single records', async () => {
  const made = await conn.sobject('Lead').create({LastName: 'Lone', Company: 'Alone'});
  assert.ok(made.success && made.id.startsWith('00Q'));
  assert.equal((await conn.sobject('Lead').update({Id: made.id, Rating: 'Hot'})).success, true);
  const lead = await conn.sobject('Lead').retrieve(made.id);
  assert.equal(lead.Rating, 'Hot');
  assert.equal(lead.Status, 'Open - Not Contacted');
  assert.equal((await refusal(conn.sobject('Lead').create({LastName: 'No company'}))).errorCode, 'REQUIRED_FIELD_MISSING');
  await conn.sobject('Lead').destroy(made.id);
  assert.equal((await refusal(conn.sobject('Lead').retrieve(made.id))).errorCode, 'NOT_FOUND');
});

test('upsert by external ID, many and one', async () => {
  const rows = [{[FAKE_KEY_FIELD]: 'js-1', LastName: 'First'}, {[FAKE_KEY_FIELD]: 'js-2', FirstName: 'No last name'}];
  const made = await conn.sobject('Contact').upsert(rows, FAKE_KEY_FIELD);
  assert.deepEqual(codes(made), ['ok', 'REQUIRED_FIELD_MISSING']);
  assert.equal(made[0].created, true);
  const again = await conn.sobject('Contact').upsert([{[FAKE_KEY_FIELD]: 'js-1', FirstName: 'Known'}], FAKE_KEY_FIELD);
  assert.deepEqual([again[0].created, again[0].id], [false, made[0].id]);
  const single = await conn.sobject('Contact').upsert({[FAKE_KEY_FIELD]: 'js-3', LastName: 'Third'}, FAKE_KEY_FIELD);
  assert.equal(single.created, true);
  assert.equal((await refusal(conn.sobject('Contact').upsert({Nope__c: '1', LastName: 'x'}, 'Nope__c'))).errorCode, 'NOT_FOUND');
});

test('describe', async () => {
  const global = await conn.describeGlobal();
  assert.ok(['Contact', 'Lead', 'Account', 'Opportunity'].every(n => global.sobjects.some(o => o.name === n && o.queryable)));
  const contact = await conn.sobject('Contact').describe();
  const required = contact.fields.filter(f => f.createable && !f.nillable && !f.defaultedOnCreate).map(f => f.name);
  assert.deepEqual(required, ['LastName']);
  const level = contact.fields.find(f => f.name === 'Level__c');
  assert.ok(level.restrictedPicklist && level.picklistValues.length === 3);
  assert.equal((await refusal(conn.sobject('Nothing').describe())).errorCode, 'NOT_FOUND');
});

test('updated and deleted', async () => {
  const made = await conn.sobject('Account').create({Name: 'Short-lived'});
  const kept = await conn.sobject('Account').create({Name: 'Kept'});
  await conn.sobject('Account').destroy(made.id);
  const [from, to] = [new Date(Date.now() - 3600e3), new Date(Date.now() + 120e3)];
  const gone = await conn.sobject('Account').deleted(from.toISOString(), to.toISOString());
  assert.deepEqual(gone.deletedRecords.map(r => r.id), [made.id]);
  assert.ok(gone.earliestDateAvailable && gone.latestDateCovered);
  const updated = await conn.sobject('Account').updated(from.toISOString(), to.toISOString());
  assert.deepEqual(updated.ids, [kept.id]);
  const old = new Date(Date.now() - 20 * 86400e3).toISOString();
  assert.equal((await refusal(conn.sobject('Account').deleted(old, to.toISOString()))).errorCode, 'INVALID_REPLICATION_DATE');
});

test('OAuth: code with PKCE', async () => {
  const auth = oauth2();
  const resp = await fetch(auth.getAuthorizationUrl({scope: 'api refresh_token', state: 's1'}), {redirect: 'manual'});
  assert.equal(resp.status, 302);
  const back = new URL(resp.headers.get('location'));
  assert.equal(back.searchParams.get('state'), 's1');
  const fresh = new jsforce.Connection({oauth2: auth, version});
  const user = await fresh.authorize(back.searchParams.get('code'));
  assert.equal(user.organizationId, FAKE_ORG_ID);
  assert.equal(fresh.instanceUrl, base);
  assert.ok(fresh.accessToken && fresh.refreshToken);
  assert.equal((await fresh.identity()).organization_id, FAKE_ORG_ID);
  const other = await refusal(oauth2().requestToken(back.searchParams.get('code')));
  assert.equal(other.name, 'invalid_grant');
});

test('OAuth: an expired session is refreshed in the middle of a call', async () => {
  const session = new jsforce.Connection({oauth2: oauth2(), instanceUrl: base, accessToken: FAKE_TOKEN, refreshToken: FAKE_REFRESH_TOKEN, version});
  let refreshed = 0;
  session.on('refresh', () => { refreshed++; });
  await knob('POST', '/tokens/expire');
  const {totalSize} = await session.query('SELECT Id FROM User');
  assert.ok(totalSize > 0);
  assert.equal(refreshed, 1);
  assert.notEqual(session.accessToken, FAKE_TOKEN);
  assert.equal((await refusal(oauth2().refreshToken('5Aep-nothing'))).name, 'invalid_grant');
  await session.oauth2.revokeToken(FAKE_REFRESH_TOKEN);
  assert.equal((await refusal(session.oauth2.refreshToken(FAKE_REFRESH_TOKEN))).name, 'invalid_grant');
});
