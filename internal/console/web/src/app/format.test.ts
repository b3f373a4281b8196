import { describe, expect, it } from 'vitest';
import { ago, percent, plural, written } from './figures';

describe('moments', () => {
  const now = Date.parse('2026-01-02T12:00:00Z');
  it('are told roughly', () => {
    expect(ago('2026-01-02T11:59:30Z', now)).toBe('30 seconds ago');
    expect(ago('2026-01-02T12:10:00Z', now)).toBe('in 10 minutes');
    expect(ago('2026-01-01T12:00:00Z', now)).toBe('yesterday');
    expect(ago(undefined, now)).toBe('');
  });
  it('break nothing when they are none', () => {
    expect(ago('<b>', now)).toBe('<b>');
    expect(written('<b>', () => 'x')).toBe('<b>');
  });
});

describe('figures', () => {
  it('never say 100 % of what is not whole', () => {
    expect(percent(0.9999)).toBe('99.9 %');
    expect(percent(1)).toBe('100.0 %');
  });
  it('agree in number', () => {
    expect(plural(1, 'record')).toBe('1 record');
    expect(plural(1200, 'record')).toBe('1,200 records');
  });
});
