import type { Filter, Value } from '../api/types';
import { operatorWords, withList, withoutValue } from './words';

export interface Clause {
  field: string;
  op: string;
  value: Value;
}

/** A node as the builder edits it: a group, which may be turned round, or a clause. */
export type Node = { kind: 'group'; any: boolean; not: boolean; nodes: Node[] } | ({ kind: 'clause' } & Clause);

export function toNode(filter: Filter | null | undefined): Node {
  if (!filter) return { kind: 'group', any: false, not: false, nodes: [] };
  if (filter.not) {
    const inner = toNode(filter.not);
    return inner.kind === 'group' && !inner.not
      ? { ...inner, not: true }
      : { kind: 'group', any: false, not: true, nodes: [inner] };
  }
  if (filter.all || filter.any) {
    return { kind: 'group', any: !!filter.any, not: false, nodes: (filter.any ?? filter.all ?? []).map(toNode) };
  }
  return {
    kind: 'clause',
    field: filter.field ?? '',
    op: filter.op ?? 'equals',
    value: (filter.value ?? null) as Value,
  };
}

/** toFilter is the way back; a group of nothing is no filter. */
export function toFilter(node: Node): Filter | null {
  if (node.kind === 'clause') {
    const clause: Record<string, unknown> = { field: node.field, op: node.op };
    if (!withoutValue.includes(node.op)) clause.value = node.value;
    return clause as Filter;
  }
  const parts = node.nodes.map(toFilter).filter((f): f is Filter => f !== null);
  if (parts.length === 0) return null;
  const group = (node.any ? { any: parts } : { all: parts }) as Filter;
  return node.not ? ({ not: group } as Filter) : group;
}

/** asGroup makes the builder's outermost node of whatever a rule has. */
export function asGroup(filter: Filter | null | undefined): Extract<Node, { kind: 'group' }> {
  const node = toNode(filter);
  return node.kind === 'group' ? node : { kind: 'group', any: false, not: false, nodes: [node] };
}

const quoted = (value: Value): string => {
  if (Array.isArray(value)) return value.map((v) => `“${v}”`).join(' or ');
  return value === null || value === '' ? '“”' : `“${value}”`;
};

/** inWords is a filter as a sentence: what PieSync's users could read aloud. */
export function inWords(node: Node, label: (field: string) => string = (f) => f, inner = false): string {
  if (node.kind === 'clause') {
    const op = operatorWords[node.op] ?? node.op;
    if (withoutValue.includes(node.op)) return `${label(node.field)} ${op}`;
    if (node.op === 'in_last_days') return `${label(node.field)} ${op.replace('…', String(node.value ?? '…'))}`;
    return `${label(node.field)} ${op} ${quoted(node.value)}`;
  }
  const parts = node.nodes.map((n) => inWords(n, label, true));
  if (parts.length === 0) return 'everything';
  const text = parts.join(node.any ? ' or ' : ' and ');
  if (node.not) return `not (${text})`;
  return inner && parts.length > 1 ? `(${text})` : text;
}

/** readValue makes what the builder typed into what the field compares with. */
export function readValue(op: string, type: string | undefined, text: string): Value {
  if (withList.includes(op))
    return text
      .split(',')
      .map((t) => t.trim())
      .filter(Boolean);
  if (op === 'in_last_days' || (type === 'number' && text.trim() !== '' && !Number.isNaN(Number(text))))
    return Number(text);
  return text;
}

export const showValue = (value: Value) =>
  Array.isArray(value) ? value.join(', ') : value === null ? '' : String(value);
