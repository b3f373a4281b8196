import { describe, expect, it } from 'vitest';
import { freshId, suggestTransform, unfit, usedBy } from './fit';

const field = (type: string, more = {}) =>
  ({
    name: type,
    label: type,
    type,
    required: false,
    read_only: false,
    unique: false,
    multiple: false,
    ...more,
  }) as never;

describe('unfit', () => {
  it('lets equal types through and names those that are not', () => {
    expect(unfit(field('text'), field('text'), 'both', 'none')).toBe('');
    expect(unfit(field('boolean'), field('number'), 'both', 'none')).toContain('not compatible');
    expect(unfit(field('text'), field('email'), 'both', 'none')).toBe('');
  });
  it('keeps fields that can only be read from being written', () => {
    expect(unfit(field('text'), field('text', { read_only: true }), 'both', 'none')).toContain('only be read');
    expect(unfit(field('text'), field('text', { read_only: true }), 'to_left', 'none')).toBe('');
  });
  it('knows what a transform takes', () => {
    expect(unfit(field('number'), field('text'), 'both', 'phone')).toContain('phone');
    expect(unfit(field('phone'), field('text'), 'both', 'phone')).toBe('');
  });
});

describe('suggestTransform', () => {
  it('suits both types', () => {
    expect(suggestTransform(field('text'), field('phone'))).toBe('phone');
    expect(suggestTransform(field('options'), field('list'))).toBe('list');
    expect(suggestTransform(field('text'), field('text'))).toBe('none');
  });
});

describe('names', () => {
  it('are never given twice', () => {
    expect(freshId([{ id: 'first_name' }], 'First Name')).toBe('first_name_2');
    expect(freshId([], 'Ä!')).toBe('item');
  });
  it('tell who uses a field', () => {
    const mappings = [{ id: 'm1', left: ['a'], right: ['B'] }] as never;
    expect(usedBy(mappings, 'left', 'a')?.id).toBe('m1');
    expect(usedBy(mappings, 'left', 'a', 'm1')).toBeUndefined();
  });
});
