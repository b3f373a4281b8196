import type { Field, Mapping } from '../api/types';

const text = ['text', 'email', 'phone', 'url'];
const transformsFor: Record<string, string[]> = {
  none: [],
  full_name: text,
  phone: ['phone', 'text'],
  email: ['email', 'text'],
  domain: ['url', 'text'],
  number: ['number', 'text'],
  boolean: ['boolean', 'text', 'option'],
  date: ['date', 'datetime', 'text'],
  datetime: ['datetime', 'date', 'text'],
  list: ['list', 'options', 'text', 'option'],
  options: ['option', 'options', 'list', 'text', 'boolean'],
  static: [],
};

/** suggestTransform is the transform that suits two types of field. */
export function suggestTransform(left: Field | undefined, right: Field | undefined): string {
  const types = [left?.type, right?.type];
  for (const kind of ['phone', 'email', 'number', 'boolean', 'date', 'datetime'] as const)
    if (types.includes(kind)) return kind;
  if (types.includes('list') || types.includes('options')) return 'list';
  if (left?.type === 'option' && right?.type === 'option') return 'options';
  if (types.includes('url')) return 'domain';
  return 'none';
}

/**
 * unfit says why two fields cannot be mapped; "" when nothing speaks against
 * it. The API has the last word; this is what can be told before asking.
 */
export function unfit(left: Field | undefined, right: Field | undefined, direction: string, transform: string): string {
  if (!left || !right) return '';
  if (right.read_only && direction !== 'to_left') return `${right.label} can only be read: map it to the left only`;
  if (left.read_only && direction !== 'to_right') return `${left.label} can only be read: map it to the right only`;
  const allowed = transformsFor[transform];
  if (allowed?.length) {
    for (const f of [left, right])
      if (!allowed.includes(f.type)) return `${f.label} is of type ${f.type}, which “${transform}” cannot take`;
  } else if (
    transform === 'none' &&
    left.type !== right.type &&
    !(text.includes(left.type) && text.includes(right.type))
  ) {
    return `${left.label} (${left.type}) is not compatible with ${right.label} (${right.type}) as it is: choose a transform`;
  }
  if (left.multiple !== right.multiple && transform !== 'list' && direction === 'both')
    return 'one holds several values and the other one: use “list”, one way';
  return '';
}

/** usedBy tells which mapping writes a field already: each field once. */
export function usedBy(mappings: Mapping[], side: 'left' | 'right', field: string, except?: string) {
  return mappings.find((m) => m.id !== except && (m[side] ?? []).includes(field));
}

/** freshId is an ID that no item of a list has. */
export function freshId(items: { id: string }[], wish: string) {
  const base =
    wish
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '_')
      .replace(/^_+|_+$/g, '')
      .slice(0, 30) || 'item';
  let id = base;
  for (let n = 2; items.some((i) => i.id === id); n++) id = `${base}_${n}`;
  return id;
}
