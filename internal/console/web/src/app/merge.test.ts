import { describe, expect, it } from 'vitest';
import { merge, same } from './merge';

describe('merge', () => {
  const base = {
    name: 'a',
    conflict: 'left',
    mappings: [
      { id: 'm1', on: true },
      { id: 'm2', on: true },
    ],
    tags: ['x'],
  };

  it('takes both when different keys were changed', () => {
    const { merged, collisions } = merge(base, { ...base, name: 'mine' }, { ...base, conflict: 'right' });
    expect(merged).toEqual({ ...base, name: 'mine', conflict: 'right' });
    expect(collisions).toEqual([]);
  });

  it('lists what both changed, and keeps mine until a person has chosen', () => {
    const { merged, collisions } = merge(base, { ...base, name: 'mine' }, { ...base, name: 'theirs' });
    expect(merged.name).toBe('mine');
    expect(collisions).toEqual([{ pointer: '/name', base: 'a', mine: 'mine', theirs: 'theirs' }]);
  });

  it('merges lists by the names of their items', () => {
    const mine = {
      ...base,
      mappings: [
        { id: 'm1', on: false },
        { id: 'm2', on: true },
        { id: 'm3', on: true },
      ],
    };
    const theirs = {
      ...base,
      mappings: [
        { id: 'm1', on: true },
        { id: 'm4', on: true },
      ],
    };
    const { merged, collisions } = merge(base, mine, theirs);
    expect(merged.mappings).toEqual([
      { id: 'm1', on: false },
      { id: 'm3', on: true },
      { id: 'm4', on: true },
    ]);
    expect(collisions).toEqual([]);
  });

  it('does not lose an edit of what somebody removed, nor the other way round', () => {
    const edited = {
      ...base,
      mappings: [
        { id: 'm1', on: false },
        { id: 'm2', on: true },
      ],
    };
    const removed = { ...base, mappings: [{ id: 'm2', on: true }] };
    expect(merge(base, edited, removed).collisions).toHaveLength(1);
    expect(merge(base, edited, removed).merged.mappings).toEqual(edited.mappings);
    expect(merge(base, removed, edited).collisions).toHaveLength(1);
    expect(merge(base, removed, edited).merged.mappings).toEqual(removed.mappings);
  });

  it('treats lists without names as one value', () => {
    expect(merge(base, { ...base, tags: ['y'] }, { ...base, tags: ['z'] }).collisions[0]?.pointer).toBe('/tags');
  });

  it('changes nothing when nothing was edited here', () => {
    const theirs = { ...base, name: 'theirs', mappings: [] };
    expect(merge(base, base, theirs)).toEqual({ merged: theirs, collisions: [] });
  });
});

describe('same', () => {
  it('ignores the order of keys and sees the order of items', () => {
    expect(same({ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 })).toBe(true);
    expect(same([1, 2], [2, 1])).toBe(false);
    expect(same({ a: undefined }, {})).toBe(true);
    expect(same(null, undefined)).toBe(false);
  });
});
