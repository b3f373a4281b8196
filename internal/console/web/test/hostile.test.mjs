// 200 hostile strings in the place of every text that the API answers, in every
// screen: none is carried out, and the policy has nothing to refuse.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { api, browser, demo, watched } from './browser.mjs';
import { places } from './places.mjs';

const heads = ['', '">', "'>", '</title>', '</textarea>', '</script>', '-->', ']]>', '&lt;', '\u2028'];
const bodies = [
  '<script>window.__hit=1</script>',
  '<img src=x onerror="window.__hit=1">',
  '<svg onload="window.__hit=1"/>',
  '<iframe srcdoc="<script>parent.__hit=1</script>"></iframe>',
  '<a href="javascript:window.__hit=1">x</a>',
  '<style>@import "//evil.example/x.css";</style>',
  '<form action="//evil.example"><button>x</button></form>',
  '<math><mtext><table><mglyph><style><img src=x onerror=window.__hit=1>',
  '<details open ontoggle="window.__hit=1">',
  '<meta http-equiv="refresh" content="0;url=//evil.example">',
  'javascript:window.__hit=1',
  '{{constructor.constructor("window.__hit=1")()}}',
  '$' + '{window.__hit=1}',
  '<base href="//evil.example/">',
  '<object data="javascript:window.__hit=1"></object>',
  '<template><script>window.__hit=1</script></template>',
  '\u202Egnp.exe<script>window.__hit=1</script>',
  '<video><source onerror="window.__hit=1"></video>',
  '%3Cscript%3Ewindow.__hit=1%3C/script%3E',
  '<x style="animation-name:x" onanimationstart="window.__hit=1">',
];
const hostile = heads.flatMap((h) => bodies.map((b) => h + b));

// What the page takes for a name of its own, and would only be lost without.
const kept =
  /^(id|app|kind|status|state|side|sync|way|direction|role|by|op|type|origin|schedule|initial|behavior|conflict|outcome|action|rule|account|connection|run|plan|object|time|since|until|next|.*_at|.*_pull|mode|time_zone|workspace|field|mapping)$/;

/** spoil puts hostile text in the place of every text that is not a name. */
function spoil(value, next, key = '') {
  if (Array.isArray(value)) return value.map((v) => spoil(v, next, key));
  if (value && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, spoil(v, next, k)]));
  return typeof value === 'string' && !kept.test(key) ? next() : value;
}

let world;
let chrome;

before(async () => {
  world = await demo(40);
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  await world?.stop();
});

test(`${hostile.length} hostile strings in every screen`, async () => {
  const call = api(world.url, world.key);
  const connection = (await call('GET', '/v1/connections')).data.items[0].id;
  const record = (await call('GET', `/v1/connections/${connection}/syncs/contacts/records?state=in_sync&limit=1`)).data
    .items[0].id;
  const runs = (await call('GET', '/v1/runs')).data.items;
  const entry = (await call('GET', '/v1/log?limit=1')).data.items[0].id;
  const context = await chrome.newContext({ viewport: { width: 1280, height: 860 } });
  const { page, wrong, violations } = await watched(context);
  await page.goto(`${world.url}/#key=${encodeURIComponent(world.key)}`);
  await page.getByRole('heading', { name: 'Connections' }).waitFor();
  let used = 0;
  const next = () => hostile[used++ % hostile.length];
  const asked = [];
  page.on('request', (r) => asked.push(r.url()));
  await page.route('**/v1/**', async (route) => {
    if (route.request().method() !== 'GET' || route.request().url().includes('/events')) return route.continue();
    const response = await route.fetch();
    const text = await response.text();
    let body;
    try {
      body = JSON.parse(text);
    } catch {
      return route.fulfill({ response });
    }
    return route.fulfill({ response, body: JSON.stringify(spoil(body, next)) });
  });
  const found = [];
  const all = [
    ...places(connection),
    { name: 'record', path: `/connections/${connection}/records/contacts/left/${record}` },
    { name: 'plan', path: `/connections/${connection}/plan?plan=${runs.find((r) => r.kind === 'plan').plan}` },
    { name: 'run', path: `/runs/${runs[0].id}` },
    { name: 'log entry', path: `/log?entry=${encodeURIComponent(entry)}` },
    { name: 'in the address', path: `/codes?q=${encodeURIComponent(hostile[1])}` },
  ];
  for (const place of all) {
    await page.goto(world.url + place.path);
    await page.waitForTimeout(700);
    if (await page.evaluate(() => window.__hit)) found.push(`${place.name}: carried out`);
    for (const v of await violations()) found.push(`${place.name}: policy: ${v}`);
    const script = await page.evaluate(
      () =>
        [...document.querySelectorAll('a[href]')].filter((a) => /^\s*javascript:/i.test(a.getAttribute('href'))).length,
    );
    if (script) found.push(`${place.name}: a link that is a script`);
  }
  assert.deepEqual(found, []);
  assert.ok(used > hostile.length, `only ${used} of ${hostile.length} were shown`);
  assert.deepEqual(
    asked.filter((u) => !u.startsWith(world.url) && !u.startsWith('data:')),
    [],
    'something was asked of another address',
  );
  assert.deepEqual(wrong, []);
  await context.close();
});
