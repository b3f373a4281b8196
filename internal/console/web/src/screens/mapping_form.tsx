import { Button, Checkbox, Group, Select, Stack, Switch, Text, TextInput } from '@mantine/core';
import type { Field, Mapping, Side, Value } from '../api/types';
import { suggestTransform, unfit, usedBy } from '../app/fit';
import { directionWords, transformWords } from '../app/words';
import { Note, Shown } from '../ui/basics';
import type { Editing } from './editing';

export type By = { left: Map<string, Field>; right: Map<string, Field> };

export const shownValue = (values: Record<string, Value> | undefined, names: string[] | null): Value | undefined => {
  if (!values || !names?.length) return undefined;
  return names.length === 1
    ? values[names[0] ?? '']
    : names
        .map((n) => values[n])
        .filter((v) => v !== null && v !== undefined)
        .map(String)
        .join(' ');
};

const nullOr = (text: string) => (text === '' ? null : text);
const policies = [
  { value: '', label: 'as set below' },
  { value: 'two_way', label: 'two way, clearing too' },
  { value: 'prefer_left_unless_blank', label: 'prefer left unless blank' },
  { value: 'prefer_right_unless_blank', label: 'prefer right unless blank' },
  { value: 'always_left', label: 'always the left value' },
  { value: 'always_right', label: 'always the right value' },
  { value: 'none', label: 'do not sync' },
];

export function MappingForm({
  mapping: m,
  by,
  set,
  sync,
  ends,
  fields,
  may,
  pinned,
  remove,
  close,
}: Editing & {
  mapping: Mapping;
  by: By;
  set: (m: Mapping) => void;
  pinned: { left?: Record<string, Value>; right?: Record<string, Value> } | undefined;
  remove: () => void;
  close: () => void;
}) {
  const mappings = sync.mappings ?? [];
  const secret = [...(m.left ?? []), ...(m.right ?? [])].some((n) => /password/i.test(n));
  const choices = (side: Side) =>
    fields[side].map((f) => {
      const user = usedBy(mappings, side, f.name, m.id);
      const other = side === 'left' ? by.right.get(m.right?.[0] ?? '') : by.left.get(m.left?.[0] ?? '');
      const why = user
        ? `mapped by ${user.id} already`
        : side === 'left'
          ? unfit(f, other, m.direction, m.transform.type)
          : unfit(other, f, m.direction, m.transform.type);
      return {
        value: f.name,
        label: `${f.label} (${f.name}, ${f.type})${why ? ` — ${why}` : ''}`,
        disabled: why !== '' && !(m[side] ?? []).includes(f.name),
      };
    });
  const setField = (side: Side, at: number, name: string) => {
    const names = [...(m[side] ?? [])];
    names[at] = name;
    const next = { ...m, [side]: names.filter(Boolean) } as Mapping;
    const l = by.left.get(next.left?.[0] ?? '');
    const r = by.right.get(next.right?.[0] ?? '');
    set(
      m.transform.type === 'none' && l && r
        ? { ...next, transform: { type: suggestTransform(l, r) as Mapping['transform']['type'] } }
        : next,
    );
  };
  const why = unfit(by.left.get(m.left?.[0] ?? ''), by.right.get(m.right?.[0] ?? ''), m.direction, m.transform.type);
  return (
    <Stack gap="sm">
      {(['left', 'right'] as const).map((side) => (
        <Stack gap={6} key={side}>
          {[...(m[side] ?? []), ...((m[side] ?? []).length === 0 ? [''] : [])].map((name, i, all) => (
            <Select
              key={`${side} ${name || i}`}
              label={
                i === 0 ? (
                  <span className={side === 'left' ? 'side-left' : 'side-right'}>{ends[side].name}</span>
                ) : undefined
              }
              aria-label={`${ends[side].name}, field ${i + 1}`}
              searchable
              clearable={all.length > 1}
              data={choices(side)}
              value={name || null}
              disabled={!may}
              onChange={(v) => setField(side, i, v ?? '')}
              nothingFoundMessage="No field of this name"
            />
          ))}
          {may && (m[side] ?? []).length > 0 && (m[side === 'left' ? 'right' : 'left'] ?? []).length <= 1 && (
            <Group>
              <Button
                size="compact-xs"
                variant="subtle"
                onClick={() =>
                  set({
                    ...m,
                    [side]: [...(m[side] ?? []), fields[side].find((f) => !usedBy(mappings, side, f.name))?.name ?? ''],
                  } as Mapping)
                }
              >
                add a field to join …
              </Button>
            </Group>
          )}
          {pinned && (
            <Text size="xs" c="var(--soft)">
              of the record shown: <Shown value={shownValue(pinned[side], m[side])} />
            </Text>
          )}
        </Stack>
      ))}
      {why && <Note tone="yellow">{why}.</Note>}
      {secret && (
        <Note tone="red">
          This is the person’s own login password: it is written once, never read back and never shown.
        </Note>
      )}
      <Select
        label="Direction"
        data={(['both', 'to_right', 'to_left', 'off'] as const).map((d) => ({
          value: d,
          label: directionWords[d] ?? d,
        }))}
        value={m.direction}
        disabled={!may}
        onChange={(v) => set({ ...m, direction: v as 'both' })}
        description={
          sync.direction !== 'both'
            ? `The sync itself goes ${directionWords[sync.direction]?.toLowerCase()}: it only restricts further`
            : undefined
        }
      />
      <Select
        label="How"
        searchable
        data={Object.entries(transformWords).map(([value, label]) => ({ value, label }))}
        value={m.transform.type}
        disabled={!may}
        onChange={(v) => set({ ...m, transform: { type: v as 'none' } })}
      />
      {m.transform.type === 'static' && (
        <TextInput
          label="Text to write"
          value={m.transform.options?.value ?? ''}
          disabled={!may}
          onChange={(e) => set({ ...m, transform: { ...m.transform, options: { value: e.currentTarget.value } } })}
        />
      )}
      {m.transform.type === 'options' && (
        <OptionPairs
          mapping={m}
          set={set}
          left={by.left.get(m.left?.[0] ?? '')}
          right={by.right.get(m.right?.[0] ?? '')}
          may={may}
        />
      )}
      <Select
        label="Rule for the value"
        data={policies}
        value={m.policy ?? ''}
        disabled={!may}
        onChange={(v) => set({ ...m, policy: nullOr(v ?? '') as Mapping['policy'] })}
      />
      <Select
        label="When both sides changed it"
        data={[
          { value: '', label: 'as the sync says' },
          { value: 'left', label: `${ends.left.name} wins` },
          { value: 'right', label: `${ends.right.name} wins` },
          { value: 'newest', label: 'the newest wins (a heuristic)' },
          { value: 'review', label: 'a person decides' },
        ]}
        value={m.conflict ?? ''}
        disabled={!may || !!m.policy}
        onChange={(v) => set({ ...m, conflict: nullOr(v ?? '') as Mapping['conflict'] })}
      />
      {(['to_right', 'to_left'] as const).map((way) => (
        <Group key={way} gap="sm" align="flex-end" wrap="nowrap">
          <TextInput
            label={`Default in ${way === 'to_right' ? ends.right.name : ends.left.name}`}
            description={way === 'to_right' ? 'Only when the source sends nothing and the target is blank' : undefined}
            value={m.default[way] === null ? '' : String(m.default[way])}
            disabled={!may}
            onChange={(e) => set({ ...m, default: { ...m.default, [way]: nullOr(e.currentTarget.value) } })}
            style={{ flex: 1 }}
          />
          <Checkbox
            label="clearing clears it"
            checked={m.clear[way]}
            disabled={!may || !!m.policy}
            onChange={(e) => set({ ...m, clear: { ...m.clear, [way]: e.currentTarget.checked } })}
            mb={6}
          />
        </Group>
      ))}
      <Switch
        size="xs"
        label="Written once"
        description="At creation or into a blank, and not changed after that"
        checked={m.write_once}
        disabled={!may}
        onChange={(e) => set({ ...m, write_once: e.currentTarget.checked })}
      />
      <Group justify="space-between">
        {may ? (
          <Button
            variant="subtle"
            color="red"
            onClick={remove}
            disabled={m.origin === 'required'}
            title={m.origin === 'required' ? 'an app makes no record without it' : undefined}
          >
            Remove
          </Button>
        ) : (
          <span />
        )}
        <Button variant="default" onClick={close}>
          Close
        </Button>
      </Group>
      <Text size="xs" c="var(--soft)" className="mono">
        {m.id} · {m.origin}
      </Text>
    </Stack>
  );
}

function OptionPairs({
  mapping: m,
  set,
  left,
  right,
  may,
}: {
  mapping: Mapping;
  set: (m: Mapping) => void;
  left: Field | undefined;
  right: Field | undefined;
  may: boolean;
}) {
  const pairs = m.transform.options ?? {};
  return (
    <Stack gap={6}>
      <Text size="xs" c="var(--soft)">
        The exact name and case of the option is what an app wants.
      </Text>
      {(left?.options ?? []).map((o) => (
        <Select
          key={o.value}
          label={o.label}
          searchable
          data={[
            { value: '', label: '– no equal –' },
            ...(right?.options ?? []).map((r) => ({ value: r.value, label: r.label })),
          ]}
          value={pairs[o.value] ?? ''}
          disabled={!may}
          onChange={(v) => {
            const { [o.value]: _, ...rest } = pairs;
            set({ ...m, transform: { ...m.transform, options: v ? { ...rest, [o.value]: v } : rest } });
          }}
        />
      ))}
    </Stack>
  );
}
