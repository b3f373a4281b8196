// Makes the pictures of docs/console.md from the demo: node tools/shots.mjs
// Needs bin/lockstep and Chromium.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { api, browser, demo, root, settled, watched } from '../test/browser.mjs';

const folder = join(root, 'docs/console');
mkdirSync(folder, { recursive: true });
const world = await demo(300);
const chrome = await browser();
try {
  const call = api(world.url, world.key);
  const connection = (await call('GET', '/v1/connections')).data.items[0].id;
  const c = `/connections/${connection}`;
  const plan = (await call('GET', '/v1/runs')).data.items.find((r) => r.kind === 'plan').plan;
  const record = (await call('GET', `/v1${c}/syncs/contacts/records?state=in_sync&limit=1`)).data.items[0].id;
  const { page } = await watched(
    await chrome.newContext({ viewport: { width: 1180, height: 760 }, colorScheme: 'light', reducedMotion: 'reduce' }),
  );
  await page.goto(`${world.url}/#key=${encodeURIComponent(world.key)}`);
  await page.getByRole('heading', { name: 'Connections' }).waitFor();
  for (const [name, path, scheme] of [
    ['connections', '/connections'],
    ['status', c],
    ['record', `${c}/records/contacts/left/${record}`],
    ['duplicates', `${c}/conflicts?kind=duplicate`],
    ['plan', `${c}/plan?plan=${plan}`],
    ['mappings', `${c}/mappings`],
    ['rules', `${c}/rules`],
    ['log', `${c}/log`, 'dark'],
    ['new', '/new?left=hubspot'],
    ['settings', `${c}/settings`],
  ]) {
    await page.emulateMedia({ colorScheme: scheme ?? 'light' });
    await page.goto(world.url + path);
    await settled(page);
    await page.waitForLoadState('networkidle').catch(() => undefined);
    await page.screenshot({ path: join(folder, `${name}.jpg`), type: 'jpeg', quality: 62 });
  }
} finally {
  await chrome.close();
  await world.stop();
}
