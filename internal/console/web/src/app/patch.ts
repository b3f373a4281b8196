import { same } from './merge';

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v);

/** patchOf is the merge patch (RFC 7396) that makes b of a; undefined when they are the same. */
export function patchOf(a: unknown, b: unknown): unknown {
  if (same(a, b)) return undefined;
  if (!isObject(a) || !isObject(b)) return b;
  const patch: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (b[key] === undefined) patch[key] = null;
    else {
      const part = patchOf(a[key], b[key]);
      if (part !== undefined) patch[key] = part;
    }
  }
  return patch;
}
