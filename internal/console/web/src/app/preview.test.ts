import { describe, expect, it } from 'vitest';
import { difference, letThrough } from './preview';

const way = (passes: number, held = 0) => ({ open: true, passes, excluded: 0, held, passing: [], failing: [] });
const sample = (left: number, complete = true) => ({
  from: 'sample' as const,
  looked: { left, right: 0 },
  complete: { left: complete, right: true },
  calls: { left: 1, right: 1 },
});

describe('what rules let through', () => {
  it('is said with the number of all records', () => {
    expect(letThrough(way(412), sample(1375), 'left')).toBe('lets 412 of 1,375 through');
  });
  it('says that only some were looked at', () => {
    expect(letThrough(way(3), sample(200, false), 'left')).toBe('lets 3 of the first 200 through');
  });
  it('counts what cannot be told, and an empty app', () => {
    expect(letThrough(way(3, 1), sample(4), 'left')).toContain('1 record cannot be told');
    expect(letThrough(way(0), sample(0), 'right')).toBe('there is no record yet');
  });
});

describe('the difference to what is saved', () => {
  it('is said where there is one', () => {
    expect(difference(5, 3)).toBe('2 more than as saved');
    expect(difference(3, 5)).toBe('2 fewer than as saved');
    expect(difference(3, 3)).toBe('');
    expect(difference(3, undefined)).toBe('');
  });
});
