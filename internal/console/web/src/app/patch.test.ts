import { describe, expect, it } from 'vitest';
import { patchOf } from './patch';

describe('patchOf', () => {
  it('says what changed and nothing else', () => {
    expect(patchOf({ a: 1, b: { c: 2, d: 3 } }, { a: 1, b: { c: 2, d: 4 } })).toEqual({ b: { d: 4 } });
  });
  it('takes away with null', () => {
    expect(patchOf({ a: 1, b: 2 }, { a: 1 })).toEqual({ b: null });
  });
  it('replaces lists whole', () => {
    expect(patchOf({ l: [1, 2] }, { l: [1] })).toEqual({ l: [1] });
  });
  it('is nothing for the same document', () => {
    expect(patchOf({ a: [1] }, { a: [1] })).toBeUndefined();
  });
});
