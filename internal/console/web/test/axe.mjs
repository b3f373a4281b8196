import { createRequire } from 'node:module';

const source = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** axe lists what WCAG 2.2 A and AA finds wrong with the page as it is. */
export async function axe(page) {
  // By the browser's own side door: the page's policy lets no script in, and it stays in force.
  const client = await page.context().newCDPSession(page);
  const { readFileSync } = await import('node:fs');
  await client.send('Runtime.evaluate', { expression: `if (!window.axe) { ${readFileSync(source, 'utf8')} }` });
  const { result } = await client.send('Runtime.evaluate', {
    awaitPromise: true,
    returnByValue: true,
    expression: `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }).then((r) =>
      r.violations.flatMap((v) => v.nodes.slice(0, 3).map((n) => v.id + ': ' + n.html.slice(0, 110) + ' ' + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? '').replace(/Element has insufficient color contrast of/, ''))))`,
  });
  await client.detach();
  return result.value;
}
