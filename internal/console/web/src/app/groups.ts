import { other, type RecordView, type Side, sides, type Value } from '../api/types';

/** A group is one decision of a person: a pair whose fields are in conflict, or records that may be one. */
export interface Group {
  key: string;
  kind: 'pair' | 'twins';
  /** Of whom the list told first. */
  record: RecordView;
  left: string[];
  right: string[];
}

/** othersSide is the side of those that a record is taken for: its own app's, or those of the other app that fit it. */
export const othersSide = (r: Pick<RecordView, 'side' | 'code'>): Side =>
  r.code === 'duplicate_in_app' ? (r.side as Side) : other(r.side as Side);

const idsOf = (r: RecordView): Record<Side, string[]> => {
  const ids: Record<Side, string[]> = { left: [], right: [] };
  ids[r.side as Side].push(r.id);
  if (r.partner) ids[other(r.side as Side)].push(r.partner);
  else ids[othersSide(r)].push(...(r.others ?? []));
  return ids;
};

/** holds says whether a record, as in a group's key, is of a group. */
export const holds = (group: Group, key: string): boolean =>
  sides.some((side) => key.startsWith(`${side}.`) && group[side].includes(key.slice(side.length + 1)));

/** groupsOf puts records together that are one decision: a pair is listed for both sides, and twins for each of them. */
export function groupsOf(items: RecordView[]): Group[] {
  const groups: Group[] = [];
  const at = new Map<string, Group>();
  for (const record of items) {
    const ids = idsOf(record);
    const names = sides.flatMap((side) => ids[side].map((id) => `${side}.${id}`));
    const known = [...new Set(names.flatMap((n) => at.get(n) ?? []))];
    const [
      group = {
        key: `${record.side}.${record.id}`,
        kind: record.partner ? 'pair' : 'twins',
        record,
        left: [],
        right: [],
      },
    ] = known as Group[];
    if (known.length === 0) groups.push(group);
    for (const rest of known.slice(1)) {
      groups.splice(groups.indexOf(rest), 1);
      ids.left.push(...rest.left);
      ids.right.push(...rest.right);
    }
    for (const side of sides) {
      group[side] = [...new Set([...group[side], ...ids[side]])];
      for (const id of group[side]) at.set(`${side}.${id}`, group);
    }
  }
  return groups;
}

/** ownValue makes what was typed into what a field of a type takes. */
export function ownValue(text: string, type: string | undefined): Value {
  const bare = text.trim();
  if (bare === '') return null;
  if (type === 'number' && !Number.isNaN(Number(bare))) return Number(bare);
  if (type === 'boolean' && /^(yes|true|no|false)$/i.test(bare)) return /^(yes|true)$/i.test(bare);
  if (type === 'list' || type === 'options')
    return bare
      .split(',')
      .map((t) => t.trim())
      .filter(Boolean);
  return text;
}
