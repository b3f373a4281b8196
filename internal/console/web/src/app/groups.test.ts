import { describe, expect, it } from 'vitest';
import type { RecordView } from '../api/types';
import { groupsOf, holds, othersSide, ownValue } from './groups';

const record = (side: string, id: string, more: Partial<RecordView> = {}) =>
  ({ side, id, values: {}, ...more }) as RecordView;

describe('holds', () => {
  it('finds a group by each of its records, whichever the list tells first', () => {
    const all = [
      record('left', '1', { code: 'duplicate', others: ['2', '3'] }),
      record('right', '2', { code: 'duplicate_in_app', others: ['3'] }),
    ];
    for (const items of [all, [...all].reverse()])
      for (const key of ['left.1', 'right.2', 'right.3'])
        expect(groupsOf(items).filter((g) => holds(g, key))).toHaveLength(1);
    for (const key of ['left.2', 'right.1', 'left.', '', 'right.33'])
      expect(groupsOf(all).some((g) => holds(g, key))).toBe(false);
  });
});

describe('groupsOf', () => {
  it('lists a pair once', () => {
    const groups = groupsOf([record('left', 'a', { partner: 'b' }), record('right', 'b', { partner: 'a' })]);
    expect(groups).toHaveLength(1);
    expect(groups[0]).toMatchObject({ key: 'left.a', kind: 'pair', left: ['a'], right: ['b'] });
  });
  it('puts twins of one app and whoever fits them together, whoever is listed first', () => {
    const items = [
      record('right', 'm', { code: 'duplicate_in_app', others: ['n'] }),
      record('left', 'c', { code: 'ambiguous_match', others: ['m', 'n'] }),
      record('right', 'n', { code: 'duplicate_in_app', others: ['m'] }),
    ];
    for (const all of [items, [...items].reverse()]) {
      const groups = groupsOf(all);
      expect(groups).toHaveLength(1);
      expect(groups[0]?.left).toEqual(['c']);
      expect([...(groups[0]?.right ?? [])].sort()).toEqual(['m', 'n']);
    }
  });
  it('joins groups that turn out to be one', () => {
    const groups = groupsOf([
      record('right', 'm', { code: 'duplicate_in_app', others: ['n'] }),
      record('right', 'x', { code: 'duplicate_in_app', others: ['y'] }),
      record('left', 'c', { code: 'ambiguous_match', others: ['m', 'x'] }),
    ]);
    expect(groups).toHaveLength(1);
    expect(groups[0]?.right).toEqual(['m', 'n', 'x', 'y']);
  });
  it('keeps apart what has nothing in common, as the same ID in both apps', () => {
    expect(groupsOf([record('left', '1', { partner: '2' }), record('right', '1', { partner: '3' })])).toHaveLength(2);
  });
});

describe('othersSide', () => {
  it('is the own app of a duplicate, and the other one of a match that is not plain', () => {
    expect(othersSide(record('left', 'a', { code: 'duplicate_in_app' }))).toBe('left');
    expect(othersSide(record('left', 'a', { code: 'ambiguous_match' }))).toBe('right');
    expect(othersSide(record('right', 'a', { code: 'key_conflict' }))).toBe('left');
  });
});

describe('ownValue', () => {
  it('is of the type of the field', () => {
    expect(ownValue('12', 'number')).toBe(12);
    expect(ownValue('12', 'text')).toBe('12');
    expect(ownValue('Yes', 'boolean')).toBe(true);
    expect(ownValue('a, b', 'list')).toEqual(['a', 'b']);
    expect(ownValue('  ', 'text')).toBeNull();
  });
});
