// What every browser test needs: the program under test, and a browser that
// notes whatever the page's policy refuses and whatever the page throws.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
export const root = resolve(here, '../../../..');
export const binary = process.env.LOCKSTEP_BINARY ?? join(root, 'bin/lockstep');

const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** browserPath is Debian's Chromium; undefined when there is none. */
export const browserPath = () => places.find((p) => p && existsSync(p));

/** program starts the program and waits for a line of what it says. */
export async function program(args, wanted, env = {}) {
  const child = spawn(binary, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let failed = '';
  child.stderr.on('data', (d) => {
    failed += d;
  });
  const match = await new Promise((done, stop) => {
    const timer = setTimeout(() => stop(new Error(`${args[0]} did not say ${wanted}:\n${said}${failed}`)), 120_000);
    child.stdout.on('data', (d) => {
      said += d;
      const m = wanted.exec(said);
      if (m) {
        clearTimeout(timer);
        done(m);
      }
    });
    child.on('exit', (code) => {
      clearTimeout(timer);
      stop(new Error(`${args[0]} ended with ${code}:\n${said}${failed}`));
    });
  });
  const stop = () =>
    new Promise((done) => {
      if (child.exitCode !== null) return done();
      child.once('exit', done);
      child.kill('SIGTERM');
    });
  return { match, said: () => said, stop };
}

/** demo runs the demo: two fake CRMs and a connection in step. */
export async function demo(people = 200) {
  const p = await program(
    ['demo', '--addr', '127.0.0.1:0', '--people', String(people)],
    /browser: (http:\/\/\S+?)\/#key=(\S+)\n/,
  );
  const url = p.match[1];
  const key = decodeURIComponent(p.match[2]);
  const fakes = [...p.said().matchAll(/^ {2}\w+\s+(http:\/\/127\.0\.0\.1:\d+)/gm)].map((m) => m[1]);
  return { url, key, fakes, stop: p.stop };
}

export async function browser() {
  return chromium.launch({
    executablePath: browserPath(),
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
}

/** watched opens a page that notes what went wrong in it. */
export async function watched(context) {
  const page = await context.newPage();
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // A refusal by the API is said by the browser, too; the tests look at how the page says it.
    if (message.type() === 'error' && !/Failed to load resource|net::ERR_/.test(message.text()))
      wrong.push(`console: ${message.text()}`);
  });
  await page.addInitScript(() => {
    window.__violations = [];
    document.addEventListener('securitypolicyviolation', (e) => {
      window.__violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample} ${e.sourceFile}:${e.lineNumber}`);
    });
  });
  const violations = () => page.evaluate(() => window.__violations ?? []);
  return { page, wrong, violations };
}

/** signedIn runs the demo, and opens its console on the list of connections. */
export async function signedIn(people) {
  const world = await demo(people);
  const chrome = await browser();
  const call = api(world.url, world.key);
  const connection = (await call('GET', '/v1/connections')).data.items[0].id;
  const tab = await watched(
    await chrome.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' }),
  );
  await tab.page.goto(`${world.url}/#key=${encodeURIComponent(world.key)}`);
  await tab.page.getByRole('heading', { name: 'Connections' }).waitFor();
  return { world, chrome, call, connection, tab };
}

/** api calls the API beside the browser. */
export function api(url, key) {
  return async (method, path, body, headers = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        Authorization: `Bearer ${key}`,
        ...(body === undefined
          ? {}
          : { 'Content-Type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
    return { data: text ? JSON.parse(text) : undefined, etag: response.headers.get('ETag') ?? '' };
  };
}

/** settled waits until nothing on the screen says that it is loading. */
export async function settled(page) {
  await page.locator('h1, [role="alert"], .state').first().waitFor();
  await page.waitForFunction(
    () => ![...document.querySelectorAll('[role="status"]')].some((e) => /^Loading /.test(e.textContent)),
  );
  // What was drawn last is there when two frames have passed.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** until asks again and again, for a minute, whether something is so; it tells what last kept it from being so. */
export async function until(what, look) {
  const end = Date.now() + 60_000;
  let why;
  for (;;) {
    const got = await look().catch((error) => {
      why = error;
    });
    if (got) return got;
    if (Date.now() > end) throw new Error(`not in a minute: ${what}`, { cause: why });
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** fakeOf drives a fake app as its users would; it is at an address such as "http://127.0.0.1:1". */
export const fakeOf =
  (address) =>
  async (path, method = 'GET', body = undefined) => {
    const response = await fetch(`${address}/_fake${path}`, {
      method,
      ...(body ? { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } } : {}),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  };

/** opened uses a row by the keyboard until its dialog is there: the row may be drawn anew between the focus and the key. */
export async function opened(row) {
  const dialog = row.page().getByRole('dialog');
  await until('the dialog of a row', async () => {
    if (!(await dialog.isVisible())) await pressed(row);
    await dialog.waitFor({ timeout: 5_000 });
    return true;
  });
  return dialog;
}

/** pressed uses a button or link by the keyboard alone. */
export async function pressed(locator) {
  await locator.focus();
  await locator.page().keyboard.press('Enter');
}

/**
 * seen looks at a screen in light and in dark: nothing of it violates WCAG 2.2 A
 * and AA. With SHOTS set to a folder it keeps a picture of each.
 */
export async function seen(page, name) {
  const { axe } = await import('./axe.mjs');
  const found = [];
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    for (const v of await axe(page)) found.push(`${name}, ${colorScheme}: ${v}`);
    if (process.env.SHOTS)
      await page.screenshot({ path: join(process.env.SHOTS, `${name}-${colorScheme}.png`), fullPage: true });
  }
  return found;
}
