import type { Schema } from '../api/client';
import { words } from '../app/words';

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
  halt?: { kind: 'deletions' } | { kind: 'changes'; mapping: string };
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
        halt: { kind: 'deletions' },
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
        halt: { kind: 'changes', mapping: c.mapping },
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
        title: `Held: the ${h.kind} ${h.id} rests, because the ${h.side} app no longer shows ${h.field}`,
        code: 'field_missing',
        remedy: h.remedy,
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
