// standardwebhooks, the library that receivers of our webhooks check them with,
// against messages of ours. The Go test TestVendorVerifies in internal/alert
// sends them to a receiver of its own and hands on what came.
import assert from 'node:assert/strict';
import test from 'node:test';

const {Webhook} = await import('standardwebhooks');

const {first, second, messages} = JSON.parse(process.env.LOCKSTEP_WEBHOOKS);
const [before, during] = messages;

test('a message verifies under its secret', () => {
  const told = new Webhook(first).verify(before.body, before.headers);
  assert.equal(told.type, 'alert.test');
  assert.ok(told.timestamp);
});

test('after a rotation it verifies under both', () => {
  for (const secret of [first, second]) {
    assert.equal(new Webhook(secret).verify(during.body, during.headers).type, 'alert.test');
  }
});

test('a later secret does not verify an earlier message', () => {
  assert.throws(() => new Webhook(second).verify(before.body, before.headers));
});

test('what was changed on the way does not verify', () => {
  assert.throws(() => new Webhook(first).verify(before.body + ' ', before.headers));
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
    const forged = {...before.headers, [name]: during.headers[name] + '0'};
    assert.throws(() => new Webhook(first).verify(before.body, forged), name);
  }
});
