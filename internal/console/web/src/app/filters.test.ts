import { describe, expect, it } from 'vitest';
import { asGroup, inWords, readValue, toFilter, toNode } from './filters';
import { operatorsFor } from './words';

const nested = {
  all: [
    { field: 'tags', op: 'not_contains', value: 'No_CRM' },
    {
      any: [
        { field: 'city', op: 'equals', value: 'Oslo' },
        { field: 'email', op: 'is_not_empty' },
      ],
    },
    { not: { all: [{ field: 'score', op: 'less_than', value: 3 }] } },
  ],
} as never;

describe('filters', () => {
  it('come back as they went in', () => {
    expect(toFilter(toNode(nested))).toEqual(nested);
  });
  it('read as a sentence', () => {
    expect(inWords(toNode(nested))).toBe(
      'tags does not contain “No_CRM” and (city is “Oslo” or email is not empty) and not (score is less than “3”)',
    );
    expect(inWords(asGroup(null))).toBe('everything');
  });
  it('put a lone clause into a group, so that more can be added', () => {
    expect(toFilter(asGroup({ field: 'a', op: 'is_true' } as never))).toEqual({ all: [{ field: 'a', op: 'is_true' }] });
  });
  it('are none when nothing is in them', () => {
    expect(
      toFilter({ kind: 'group', any: true, not: true, nodes: [{ kind: 'group', any: false, not: false, nodes: [] }] }),
    ).toBeNull();
  });
  it('read lists and numbers from what is typed', () => {
    expect(readValue('in', 'text', 'a, b,,c')).toEqual(['a', 'b', 'c']);
    expect(readValue('equals', 'number', '12')).toBe(12);
    expect(readValue('equals', 'text', '12')).toBe('12');
    expect(readValue('in_last_days', 'date', '30')).toBe(30);
  });
  it('offer what the type of the field allows', () => {
    expect(operatorsFor('boolean')).toContain('is_true');
    expect(operatorsFor('boolean')).not.toContain('before');
    expect(operatorsFor('date')).toContain('in_last_days');
    expect(operatorsFor('number')).not.toContain('before');
  });
});
