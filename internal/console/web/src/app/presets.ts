import type { Schema } from '../api/client';
import { type Side, type Sync, sourceOf, type Way, ways } from '../api/types';
import { plural } from './figures';
import { behaviorWords } from './words';

type Preset = Pick<Schema<'Preset'>, 'left' | 'right' | 'syncs'>;

/** joins says whether a preset is for two apps, in either order. */
export const joins = (preset: Pick<Preset, 'left' | 'right'>, a: string, b: string): boolean =>
  (preset.left === a && preset.right === b) || (preset.left === b && preset.right === a);

/** One direction of what is ready-made: each is of use without the other. */
export interface Ready {
  way: Way;
  from: string;
  to: string;
  what: string[];
}

const fieldsOf = (sync: Sync, way: Way) =>
  (sync.mappings ?? []).filter((m) => m.enabled !== false && (m.direction === 'both' || m.direction === way)).length;

/** readyMade tells what a preset does, each direction for itself. */
export function readyMade(preset: Preset): Ready[] {
  return ways.flatMap((way) => {
    const from: Side = sourceOf(way);
    const to: Side = from === 'left' ? 'right' : 'left';
    const what = ((preset.syncs ?? []) as Sync[])
      .filter((s) => (s.direction === 'both' || s.direction === way) && s.behavior[way] !== 'nothing')
      .map(
        (s) =>
          `${s[from].object} as ${s[to].object}, ${plural(fieldsOf(s, way), 'field')}: ${(
            behaviorWords[s.behavior[way]] ?? s.behavior[way]
          ).toLowerCase()}`,
      );
    return what.length > 0 ? [{ way, from: preset[from], to: preset[to], what }] : [];
  });
}
