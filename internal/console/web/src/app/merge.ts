/** A place of a document that two people changed to different things. */
export interface Collision {
  pointer: string;
  base: unknown;
  mine: unknown;
  theirs: unknown;
}

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v);

/** same compares documents; the order of keys says nothing. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((v, i) => same(v, b[i]));
  if (isObject(a) && isObject(b)) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    for (const key of keys) if (!same(a[key], b[key])) return false;
    return true;
  }
  return false;
}

const idOf = (v: unknown) => (isObject(v) && typeof v.id === 'string' ? v.id : undefined);

/** Lists whose items name themselves are merged item by item, others as one value. */
const named = (v: unknown): v is Record<string, unknown>[] =>
  Array.isArray(v) && v.every((item) => idOf(item) !== undefined);

const pointed = (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1');

/**
 * merge takes over what somebody else saved meanwhile, as far as it does not
 * collide with what was edited here. Where it collides, mine stands in the
 * result and the place is listed.
 */
export function merge<T>(base: T, mine: T, theirs: T): { merged: T; collisions: Collision[] } {
  const collisions: Collision[] = [];
  const merged = step(base, mine, theirs, '', collisions) as T;
  return { merged, collisions };
}

function step(base: unknown, mine: unknown, theirs: unknown, pointer: string, out: Collision[]): unknown {
  if (same(mine, theirs) || same(base, theirs)) return mine;
  if (same(base, mine)) return theirs;
  if (named(mine) && named(theirs) && (named(base) || base === undefined))
    return list(base ?? [], mine, theirs, pointer, out);
  if (isObject(mine) && isObject(theirs)) {
    const from = isObject(base) ? base : {};
    const result: Record<string, unknown> = {};
    for (const key of new Set([...Object.keys(theirs), ...Object.keys(mine)])) {
      const value = step(from[key], mine[key], theirs[key], `${pointer}/${pointed(key)}`, out);
      if (value !== undefined) result[key] = value;
    }
    return result;
  }
  out.push({ pointer, base, mine, theirs });
  return mine;
}

/** list keeps my order and appends what only the other side added. */
function list(
  base: Record<string, unknown>[],
  mine: Record<string, unknown>[],
  theirs: Record<string, unknown>[],
  pointer: string,
  out: Collision[],
) {
  const find = (items: Record<string, unknown>[], id: string | undefined) => items.find((item) => idOf(item) === id);
  const result: unknown[] = [];
  for (const item of mine) {
    const id = idOf(item);
    const was = find(base, id);
    const now = find(theirs, id);
    if (now !== undefined || was === undefined) {
      result.push(now === undefined ? item : step(was, item, now, `${pointer}/${id}`, out));
    } else if (!same(was, item)) {
      out.push({ pointer: `${pointer}/${id}`, base: was, mine: item, theirs: undefined });
      result.push(item);
    } // else: they removed what was not touched here
  }
  for (const item of theirs) {
    const id = idOf(item);
    if (find(mine, id)) continue;
    const was = find(base, id);
    if (was === undefined) result.push(item);
    else if (!same(was, item)) out.push({ pointer: `${pointer}/${id}`, base: was, mine: undefined, theirs: item });
  }
  return result;
}
