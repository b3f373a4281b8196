import { ActionIcon, Button, Group, MultiSelect, Select, Stack, Switch, Text } from '@mantine/core';
import type { Field, MatchStep, Sync } from '../api/types';
import { Note } from '../ui/basics';
import { Icon } from '../ui/icons';
import { Panel } from '../ui/page';
import { type Editing, EditPage } from './editing';
import { MatchPreview } from './previews';

export function MatchPage() {
  return (
    <EditPage
      title="Match"
      sub="How a record finds its twin in the other app: step by step, the first that finds exactly one counts"
    >
      {(editing, doc) => (
        <>
          <MatchEditor {...editing} />
          <MatchPreview connection={editing.connection} sync={editing.sync} dirty={doc.dirty} />
        </>
      )}
    </EditPage>
  );
}

type PerWay = { to_left?: MatchStep[]; to_right?: MatchStep[] };
const isList = (m: Sync['match']): m is MatchStep[] => Array.isArray(m);
const byWords: Record<string, string> = {
  any_key: 'any of these is equal',
  all_keys: 'all of these are equal',
  id: 'the other record’s ID is kept in a field',
};

/** MatchEditor shows the ladder as cards, once for both ways or once for each. */
export function MatchEditor(editing: Editing) {
  const { sync, change, ends, may } = editing;
  const apart = !isList(sync.match);
  const setMatch = (match: Sync['match']) => change((s) => ({ ...s, match }));
  const perWay = sync.match as PerWay;
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Switch
          size="xs"
          label="Each way has steps of its own"
          checked={apart}
          disabled={!may}
          onChange={(e) => {
            if (e.currentTarget.checked)
              setMatch({
                to_right: isList(sync.match) ? sync.match : [],
                to_left: isList(sync.match) ? sync.match : [],
              });
            else setMatch(perWay.to_right?.length ? perWay.to_right : (perWay.to_left ?? []));
          }}
        />
        <Switch
          size="xs"
          label="Avoid duplicates"
          description="Records without an identity key are excluded. Off: they are created without a match"
          checked={sync.avoid_duplicates !== false}
          disabled={!may}
          onChange={(e) => {
            const on = e.currentTarget.checked;
            change((s) => ({ ...s, avoid_duplicates: on }));
          }}
        />
      </Group>
      {sync.avoid_duplicates === false && (
        <Note tone="yellow">
          Without a unique search field duplicates may arise: choose one that several records cannot share, such as the
          e-mail.
        </Note>
      )}
      {isList(sync.match) ? (
        <Ladder {...editing} steps={sync.match} set={setMatch} title={`${ends.left.name} ↔ ${ends.right.name}`} />
      ) : (
        <>
          <Ladder
            {...editing}
            steps={perWay.to_right ?? []}
            set={(steps) => setMatch({ ...perWay, to_right: steps })}
            title={`${ends.left.name} → ${ends.right.name}`}
          />
          <Ladder
            {...editing}
            steps={perWay.to_left ?? []}
            set={(steps) => setMatch({ ...perWay, to_left: steps })}
            title={`${ends.right.name} → ${ends.left.name}`}
          />
        </>
      )}
      <Text size="xs" c="var(--soft)">
        A link, once made, goes by the IDs of both records and survives a change of e-mail. A step that finds more than
        one candidate never guesses: they are listed as duplicates. What each step found for one record stands on the
        record’s own page.
      </Text>
    </Stack>
  );
}

function Ladder({
  steps,
  set,
  title,
  fields,
  ends,
  may,
}: Editing & { steps: MatchStep[]; set: (steps: MatchStep[]) => void; title: string }) {
  const replace = (i: number, step: MatchStep) => set(steps.map((s, j) => (j === i ? step : s)));
  const move = (i: number, by: number) => {
    const next = [...steps];
    const [step] = next.splice(i, 1);
    if (step) next.splice(i + by, 0, step);
    set(next);
  };
  return (
    <Panel
      title={title}
      actions={
        may && (
          <Button
            variant="default"
            leftSection={<Icon name="plus" size={13} />}
            onClick={() =>
              set([
                ...steps,
                { by: 'any_key', pairs: [[pick(fields.left), pick(fields.right)]], on_disagreement: 'error' },
              ])
            }
          >
            Add step
          </Button>
        )
      }
    >
      <Stack gap="md">
        {steps.length === 0 && <Note tone="red">There is no step: no record would find its twin.</Note>}
        {steps.map((step, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: steps have no name of their own; their place is what they are
          <div className="group" key={i}>
            <Group justify="space-between" wrap="nowrap">
              <Text size="sm" fw={600}>
                Step {i + 1}
              </Text>
              {may && (
                <Group gap={2}>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size="sm"
                    aria-label={`Step ${i + 1}: earlier`}
                    disabled={i === 0}
                    onClick={() => move(i, -1)}
                  >
                    <Icon name="up" size={13} />
                  </ActionIcon>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size="sm"
                    aria-label={`Step ${i + 1}: later`}
                    disabled={i === steps.length - 1}
                    onClick={() => move(i, 1)}
                  >
                    <Icon name="down" size={13} />
                  </ActionIcon>
                  <ActionIcon
                    variant="subtle"
                    color="red"
                    size="sm"
                    aria-label={`Step ${i + 1}: remove`}
                    onClick={() => set(steps.filter((_, j) => j !== i))}
                  >
                    <Icon name="erase" size={13} />
                  </ActionIcon>
                </Group>
              )}
            </Group>
            <Select
              aria-label="How it matches"
              data={Object.entries(byWords).map(([value, label]) => ({ value, label }))}
              value={step.by}
              disabled={!may}
              onChange={(v) => replace(i, changed(step, v as MatchStep['by'], fields))}
              w={280}
            />
            {step.by === 'id' ? (
              <IdStep step={step} set={(s) => replace(i, s)} fields={fields} ends={ends} may={may} />
            ) : (
              <>
                <Pairs
                  pairs={step.pairs ?? []}
                  set={(pairs) => replace(i, { ...step, pairs })}
                  fields={fields}
                  ends={ends}
                  may={may}
                />
                {step.by === 'any_key' && (step.pairs ?? []).length > 1 && (
                  <Select
                    label="When they find different records"
                    data={[
                      { value: 'error', label: 'leave the record out and say so' },
                      { value: 'first', label: 'the first that finds one counts' },
                    ]}
                    value={step.on_disagreement ?? 'error'}
                    disabled={!may}
                    onChange={(v) => replace(i, { ...step, on_disagreement: v as 'error' })}
                    w={280}
                  />
                )}
                {step.by === 'any_key' && (
                  <MultiSelect
                    size="xs"
                    label="Fields that an update by this step leaves alone"
                    searchable
                    data={[...new Set([...fields.left, ...fields.right].map((f) => f.name))]}
                    value={step.protect ?? []}
                    disabled={!may}
                    onChange={(protect) => replace(i, protect.length ? { ...step, protect } : omit(step, 'protect'))}
                    maw={420}
                  />
                )}
                {step.by === 'all_keys' && (
                  <>
                    <Text size="xs" fw={600}>
                      Verified by, because many people share a name
                    </Text>
                    <Pairs
                      pairs={step.verify ?? []}
                      set={(verify) => replace(i, { ...step, verify })}
                      fields={fields}
                      ends={ends}
                      may={may}
                    />
                  </>
                )}
              </>
            )}
          </div>
        ))}
      </Stack>
    </Panel>
  );
}

const keyTypes = ['email', 'phone', 'url', 'text', 'number'];
const pick = (fields: Field[]) =>
  fields.find((f) => f.type === 'email')?.name ?? fields.find((f) => f.unique)?.name ?? '';
const omit = (step: MatchStep, key: keyof MatchStep) => {
  const { [key]: _, ...rest } = step;
  return rest as MatchStep;
};

function changed(step: MatchStep, by: MatchStep['by'], fields: Editing['fields']): MatchStep {
  const pairs = step.pairs?.length ? step.pairs : [[pick(fields.left), pick(fields.right)]];
  if (by === 'id') return { by, left: '', right: '$id', on_missing: 'error' };
  return by === 'any_key' ? { by, pairs, on_disagreement: 'error' } : { by, pairs };
}

const option = (f: Field) => ({ value: f.name, label: `${f.label} (${f.name})${f.unique ? ' · unique' : ''}` });

function Pairs({
  pairs,
  set,
  fields,
  ends,
  may,
}: { pairs: (string[] | null)[]; set: (pairs: (string[] | null)[]) => void } & Pick<
  Editing,
  'fields' | 'ends' | 'may'
>) {
  const data = {
    left: fields.left.filter((f) => keyTypes.includes(f.type)).map(option),
    right: fields.right.filter((f) => keyTypes.includes(f.type)).map(option),
  };
  return (
    <Stack gap={6}>
      {pairs.map((pair, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: pairs have no name of their own
        <div className="clause" key={i}>
          <Select
            aria-label={`Field of ${ends.left.name}`}
            searchable
            data={data.left}
            value={pair?.[0] || null}
            disabled={!may}
            onChange={(v) => set(pairs.map((p, j) => (j === i ? [v ?? '', p?.[1] ?? ''] : p)))}
            w={230}
          />
          <Icon name="both" size={13} />
          <Select
            aria-label={`Field of ${ends.right.name}`}
            searchable
            data={data.right}
            value={pair?.[1] || null}
            disabled={!may}
            onChange={(v) => set(pairs.map((p, j) => (j === i ? [p?.[0] ?? '', v ?? ''] : p)))}
            w={230}
          />
          {may && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size="sm"
              aria-label="Remove this pair"
              onClick={() => set(pairs.filter((_, j) => j !== i))}
            >
              <Icon name="close" size={13} />
            </ActionIcon>
          )}
        </div>
      ))}
      {may && (
        <Group>
          <Button variant="subtle" size="compact-xs" onClick={() => set([...pairs, ['', '']])}>
            add field …
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function IdStep({
  step,
  set,
  fields,
  ends,
  may,
}: { step: MatchStep; set: (step: MatchStep) => void } & Pick<Editing, 'fields' | 'ends' | 'may'>) {
  const keeps = step.left === '$id' ? 'right' : 'left';
  return (
    <Stack gap={6}>
      <div className="clause">
        <Select
          aria-label="Which app keeps the ID"
          data={[
            { value: 'left', label: `${ends.left.name} keeps it in` },
            { value: 'right', label: `${ends.right.name} keeps it in` },
          ]}
          value={keeps}
          disabled={!may}
          onChange={(v) =>
            set(v === 'right' ? { ...step, left: '$id', right: '' } : { ...step, left: '', right: '$id' })
          }
          w={200}
        />
        <Select
          aria-label="The field with the ID"
          searchable
          data={fields[keeps].map(option)}
          value={step[keeps] || null}
          disabled={!may}
          onChange={(v) => set({ ...step, [keeps]: v ?? '' })}
          w={240}
        />
      </div>
      <Group gap="lg">
        <Select
          label="When the ID leads to nobody"
          data={[
            { value: 'error', label: 'it is an error; nothing is made' },
            { value: 'next', label: 'go on to the next step' },
          ]}
          value={step.on_missing ?? 'error'}
          disabled={!may}
          onChange={(v) => set({ ...step, on_missing: v as 'error' })}
          w={240}
        />
        <Switch
          size="xs"
          label="Write the ID back for next time"
          checked={!!step.write_back}
          disabled={!may}
          onChange={(e) => set({ ...step, write_back: e.currentTarget.checked })}
        />
      </Group>
    </Stack>
  );
}
