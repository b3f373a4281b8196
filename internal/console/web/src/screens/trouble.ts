import type { Schema } from '../api/client';
import { other, type Side, type Sync, wayFrom } from '../api/types';
import { plural } from '../app/figures';
import { words } from '../app/words';
import type { HeldPart } from './held';

/** What a guard halted: deletions on a side, or changes of a field that a side would get. */
export type Halt =
  | { kind: 'deletions'; side: string; count: number }
  | { kind: 'changes'; mapping: string; side: string; field: string; blank: boolean; count: number };

export interface Trouble {
  key: string;
  tone: 'red' | 'yellow';
  title: string;
  code: string;
  detail?: string;
  remedy?: string;
  since?: string;
  until?: string;
  records?: number;
  sync: string;
  account?: string;
  /** A guard's question, which a person answers. */
  halt?: Halt;
  /** A part of the settings that rests. */
  held?: HeldPart;
}

const side = (s: string | undefined, direction?: string) =>
  `${s ? ` ${s} side` : ''}${direction ? ` ${direction === 'to_right' ? 'to the right' : 'to the left'}` : ''}`;

/** troublesOf lists what of a connection needs a person, or waits, each once. */
export function troublesOf(status: Schema<'ConnectionStatus'> | undefined): Trouble[] {
  const out: Trouble[] = [];
  for (const s of status?.syncs ?? []) {
    if (s.halted) {
      out.push({
        key: `${s.sync} halted`,
        tone: 'red',
        title: `${s.halted.deletions} of ${s.halted.links} linked records are gone on the ${s.halted.side} side: halted before the first deletion`,
        code: 'mass_deletion',
        since: s.halted.since,
        sync: s.sync,
        halt: { kind: 'deletions', side: s.halted.side, count: s.halted.deletions },
      });
    }
    for (const c of s.changes ?? []) {
      out.push({
        key: `${s.sync} ${c.mapping} ${c.side}`,
        tone: 'red',
        title: `${c.count} of ${c.links} values of ${c.field} were ${c.kind === 'blank' ? 'blanked' : 'replaced by one same value'} on the ${c.side} side`,
        code: 'mass_change',
        remedy: c.remedy,
        since: c.since,
        records: c.waiting,
        sync: s.sync,
        halt: {
          kind: 'changes',
          mapping: c.mapping,
          side: c.side,
          field: c.field,
          blank: c.kind === 'blank',
          count: c.waiting || c.count,
        },
      });
    }
    for (const u of s.unreachable ?? []) {
      out.push({
        key: `${s.sync} ${u.account}`,
        tone: 'red',
        title: `The ${u.side} app does not answer`,
        code: u.code,
        detail: u.detail,
        since: u.since,
        sync: s.sync,
        account: u.account,
      });
    }
    for (const w of s.waiting) {
      if ((s.held ?? []).some((h) => h.side === w.side && h.code === w.code)) continue; // told by each part
      out.push({
        key: `${s.sync} ${w.code} ${w.side} ${w.direction}`,
        tone: 'yellow',
        title: `Waiting${side(w.side, w.direction)}: ${words(w.code)}`,
        code: w.code,
        sync: s.sync,
        remedy: w.remedy,
        ...(w.detail ? { detail: w.detail } : {}),
        ...(w.since ? { since: w.since } : {}),
        ...(w.until ? { until: w.until } : {}),
        ...(w.records ? { records: w.records } : {}),
        ...(w.account ? { account: w.account } : {}),
      });
    }
    for (const h of s.held ?? []) {
      out.push({
        key: `${s.sync} ${h.pointer}`,
        tone: 'yellow',
        title:
          h.code === 'field_missing'
            ? `Held: the ${h.kind} ${h.id} rests, because the ${h.side} app no longer shows ${h.field}`
            : `Held: the ${h.kind} ${h.id} rests, because it does not fit ${h.field} of the ${h.side} app any more`,
        code: h.code,
        ...(h.detail ? { detail: h.detail } : {}),
        remedy: h.remedy,
        held: h,
        ...(h.since ? { since: h.since } : {}),
        sync: s.sync,
      });
    }
    for (const w of s.warnings ?? []) {
      if (out.some((t) => t.sync === s.sync && t.code === w)) continue;
      out.push({ key: `${s.sync} ${w}`, tone: 'yellow', title: words(w), code: w, sync: s.sync });
    }
    if (s.dead > 0) {
      out.push({
        key: `${s.sync} dead`,
        tone: 'red',
        title: `${s.dead} dead ${s.dead === 1 ? 'item' : 'items'}: work that came ten times in vain`,
        code: 'dead_letter',
        sync: s.sync,
        remedy: 'look at the reasons and send them again',
      });
    }
  }
  return out;
}

/** haltWords says what an answer to a guard's question would do. */
export function haltWords(
  halt: Halt,
  verdict: 'confirm' | 'discard',
  sync: Pick<Sync, 'deletes'> | undefined,
  names: Record<Side, string>,
): string {
  const side = halt.side as Side;
  const from = names[side];
  if (halt.kind === 'deletions') {
    const to = names[other(side)];
    if (verdict === 'discard') {
      return `all pairs stay linked, and nothing is deleted in ${to}; a record that is really gone is found again when it is looked at`;
    }
    const does = sync?.deletes[wayFrom(side)];
    const what =
      does === 'archive'
        ? `their twins in ${to} are archived`
        : does === 'tag'
          ? `their twins in ${to} get the tag “${sync?.deletes.tag}”`
          : `their twins stay in ${to} and are no longer kept in step`;
    return `${plural(halt.count, 'record is', 'records are')} gone in ${from}: ${what}; a later deletion of many halts again`;
  }
  const to = halt.blank ? 'is blanked' : 'gets the one same value';
  return verdict === 'confirm'
    ? `${halt.field} of ${plural(halt.count, 'record')} in ${from} ${to}, and what is there now is lost; a later change of many halts again`
    : `${halt.field} stays as it is in ${from}, and the two apps are left different until somebody edits one of them`;
}
