import { describe, expect, it } from 'vitest';
import { readyMade } from './presets';

const sync = (more = {}) => ({
  id: 'people',
  left: { object: 'contacts' },
  right: { object: 'Contact' },
  direction: 'both',
  behavior: { to_right: 'create_and_update', to_left: 'update_only' },
  mappings: [
    { direction: 'both', enabled: true },
    { direction: 'to_left', enabled: true },
    { direction: 'both', enabled: false },
  ],
  ...more,
});
const preset = (more = {}) => ({ left: 'a', right: 'b', syncs: [sync(more)] }) as never;

describe('readyMade', () => {
  it('tells each direction for itself, with what is on', () => {
    expect(readyMade(preset())).toEqual([
      { way: 'to_right', from: 'a', to: 'b', what: ['contacts as Contact, 1 field: create and update'] },
      { way: 'to_left', from: 'b', to: 'a', what: ['Contact as contacts, 2 fields: update only existing records'] },
    ]);
  });
  it('leaves out what is closed or does nothing', () => {
    expect(readyMade(preset({ direction: 'to_right' })).map((r) => r.way)).toEqual(['to_right']);
    expect(readyMade(preset({ behavior: { to_right: 'nothing', to_left: 'update_only' } })).map((r) => r.way)).toEqual([
      'to_left',
    ]);
  });
});
