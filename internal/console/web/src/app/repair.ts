import type { Field } from '../api/types';

/** bare is a name without what apps add to it: case, separators, and the mark of a custom field. */
const bare = (name: string) =>
  name
    .toLowerCase()
    .replace(/__[a-z]$/, '')
    .replace(/[^\p{L}\p{N}]/gu, '');

/** apart counts the letters to change between two words, as far as most. */
function apart(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/**
 * renamed finds the field that one that is gone was probably renamed to: nobody
 * maps it, and its name or label differs by little, or is the twin's label.
 * Undefined = none, or several that are as likely.
 */
export function renamed(
  gone: string,
  fields: Field[],
  used: (name: string) => boolean,
  twin: Field | undefined,
): Field | undefined {
  const was = bare(gone);
  const most = Math.min(2, Math.floor(was.length / 4));
  const rated = fields
    .filter((f) => !f.read_only && !used(f.name))
    .map((f) => {
      const words = [bare(f.name), bare(f.label)];
      const near = words.some((w) => w === was || apart(w, was, most) <= most);
      const within = words.some((w) => was.length > 3 && w.length > 3 && (w.includes(was) || was.includes(w)));
      const same = !!twin && bare(f.label) === bare(twin.label) && f.type === twin.type;
      return { f, rate: (near ? 3 : 0) + (within ? 2 : 0) + (same ? 2 : 0) };
    })
    .filter((r) => r.rate > 0)
    .sort((a, b) => b.rate - a.rate);
  return rated.length > 0 && rated[0]?.rate !== rated[1]?.rate ? rated[0]?.f : undefined;
}
