import { ActionIcon, Button, Group, Select, Stack, Switch, Text, TextInput } from '@mantine/core';
import { type Rule, type Sync, sourceOf, type Value, type Way, ways } from '../api/types';
import { asGroup, inWords, type Node, readValue, showValue, toFilter } from '../app/filters';
import { freshId } from '../app/fit';
import { operatorsFor, operatorWords, withList, withoutValue } from '../app/words';
import { Note } from '../ui/basics';
import { Icon } from '../ui/icons';
import { Panel } from '../ui/page';
import { type Editing, EditPage, savedSync } from './editing';
import { LetThrough, useRulesPreview } from './previews';

export function RulesPage() {
  return (
    <EditPage
      title="Rules"
      sub="Who is synced, which way, and what is added to them. Several rules of one way: whoever fits any of them is synced, once"
    >
      {(editing, doc) => <RulesEditor {...editing} saved={savedSync(doc, editing.sync)} />}
    </EditPage>
  );
}

/** RulesEditor shows the rules of each way as sentences that can be edited. */
export function RulesEditor({
  connection,
  sync,
  saved,
  change,
  ends,
  fields,
  may,
}: Editing & { saved: Sync | undefined }) {
  const rules = sync.rules ?? [];
  const preview = useRulesPreview(connection, sync, saved);
  return (
    <Stack gap="md">
      {ways.map((way) => {
        const from = ends[sourceOf(way)].name;
        const to = ends[way === 'to_right' ? 'right' : 'left'].name;
        const mine = rules.filter((r) => r.direction === way || r.direction === 'both');
        const closed = sync.direction !== 'both' && sync.direction !== way;
        const allOff = mine.length > 0 && mine.every((r) => r.enabled === false);
        const add = () => {
          const rule = {
            id: freshId(rules, `rule ${rules.length + 1}`),
            direction: way,
            enabled: true,
            filter: null,
            actions: [],
            undo: false,
            other_way_around: { enabled: false, exclude: null },
          };
          change((s) => ({ ...s, rules: [...(s.rules ?? []), rule as Rule] }));
        };
        return (
          <Panel
            key={way}
            title={
              <>
                {from} <Icon name="toRight" size={13} /> {to}
              </>
            }
            actions={
              may && (
                <Button variant="default" leftSection={<Icon name="plus" size={13} />} onClick={add}>
                  Add rule
                </Button>
              )
            }
          >
            <Stack gap="md">
              {closed && (
                <Note tone="gray">
                  This way is closed by the direction of the sync: its rules are kept and do nothing.
                </Note>
              )}
              {mine.length === 0 && (
                <p className="sentence">
                  Every record of <b>{from}</b> is added to <b>{to}</b>, without a filter.
                </p>
              )}
              {allOff && (
                <Note tone="yellow">All rules of this way are off: nothing matches, so everybody is excluded.</Note>
              )}
              {mine.map((rule) => (
                <RuleCard
                  key={rule.id}
                  rule={rule}
                  way={way}
                  from={from}
                  to={to}
                  source={fields[sourceOf(way)]}
                  target={fields[way === 'to_right' ? 'right' : 'left']}
                  may={may}
                  change={(next) =>
                    change((s) => ({ ...s, rules: (s.rules ?? []).map((r) => (r.id === rule.id ? next : r)) }))
                  }
                  remove={() => change((s) => ({ ...s, rules: (s.rules ?? []).filter((r) => r.id !== rule.id) }))}
                />
              ))}
              <LetThrough asked={preview} way={way} ends={ends} />
            </Stack>
          </Panel>
        );
      })}
      <Text size="xs" c="var(--soft)">
        A filter excludes and never deletes: a linked record that no longer fits stays in both apps, its updates stop,
        and they resume with the same link when it fits again. To see who enters and who leaves, save and look at the
        plan.
      </Text>
    </Stack>
  );
}

type FieldLike = { name: string; label: string; type: string };

function RuleCard({
  rule,
  way,
  from,
  to,
  source,
  target,
  may,
  change,
  remove,
}: {
  rule: Rule;
  way: Way;
  from: string;
  to: string;
  source: FieldLike[];
  target: FieldLike[];
  may: boolean;
  change: (next: Rule) => void;
  remove: () => void;
}) {
  const label = (name: string) => source.find((f) => f.name === name)?.label ?? name;
  const group = asGroup(rule.filter);
  const setFilter = (node: Node) => change({ ...rule, filter: toFilter(node) });
  const filtered = group.nodes.length > 0;
  const actions = rule.actions ?? [];
  const on = rule.enabled !== false;
  return (
    <div className="group" style={on ? undefined : { opacity: 0.75 }}>
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <p className="sentence">
          When <b>{filtered ? inWords(group, label) : 'a record exists'}</b> in {from}, add it to <b>{to}</b>
          {actions.map((a) => (
            <span key={`${a.type} ${a.field} ${a.value}`}>
              {' '}
              and add the tag <b>“{a.value}”</b>
            </span>
          ))}
          .{rule.direction === 'both' && ' The same the other way.'}
        </p>
        <Group gap={6} wrap="nowrap">
          <Switch
            size="xs"
            aria-label={`Rule ${rule.id} on`}
            checked={on}
            disabled={!may}
            onChange={(e) => change({ ...rule, enabled: e.currentTarget.checked })}
          />
          {may && (
            <ActionIcon
              variant="subtle"
              color="red"
              size="sm"
              aria-label={`Delete the rule ${rule.id}`}
              title="Delete for good; linked records stay"
              onClick={remove}
            >
              <Icon name="erase" size={14} />
            </ActionIcon>
          )}
        </Group>
      </Group>
      {may && (
        <>
          <GroupEditor node={group} fields={source} change={setFilter} outer />
          {actions.map((action, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: actions have no name of their own
            <div className="clause" key={i}>
              <Text size="sm">Add the tag</Text>
              <TextInput
                aria-label="Tag"
                value={action.value}
                onChange={(e) => {
                  const value = e.currentTarget.value;
                  change({ ...rule, actions: actions.map((a, j) => (j === i ? { ...a, value } : a)) });
                }}
                w={160}
              />
              <Text size="sm">to</Text>
              <Select
                aria-label="Field of the tag"
                searchable
                data={target.map((f) => ({ value: f.name, label: `${f.label} (${f.name})` }))}
                value={action.field || null}
                onChange={(v) =>
                  change({ ...rule, actions: actions.map((a, j) => (j === i ? { ...a, field: v ?? '' } : a)) })
                }
                w={220}
              />
              <ActionIcon
                variant="subtle"
                color="gray"
                size="sm"
                aria-label="Remove this action"
                onClick={() => change({ ...rule, actions: actions.filter((_, j) => j !== i) })}
              >
                <Icon name="close" size={13} />
              </ActionIcon>
            </div>
          ))}
          <Group gap="md">
            <Button
              variant="subtle"
              size="compact-xs"
              onClick={() =>
                change({
                  ...rule,
                  actions: [
                    ...actions,
                    {
                      type: 'add_tag',
                      field: target.find((f) => ['list', 'options'].includes(f.type))?.name ?? '',
                      value: '',
                    },
                  ],
                })
              }
            >
              add action …
            </Button>
            {filtered && actions.length > 0 && (
              <>
                <Switch
                  size="xs"
                  label="Undo when it no longer fits"
                  checked={rule.undo}
                  onChange={(e) => change({ ...rule, undo: e.currentTarget.checked })}
                />
                <Switch
                  size="xs"
                  label="Other way around"
                  description={`Records of ${to} with this tag go to ${from}; those that lost it are marked there`}
                  checked={rule.other_way_around.enabled}
                  onChange={(e) => {
                    const enabled = e.currentTarget.checked;
                    change({
                      ...rule,
                      other_way_around: {
                        exclude: rule.other_way_around.exclude ?? (enabled ? { field: '', value: '' } : null),
                        enabled,
                      },
                    });
                  }}
                />
              </>
            )}
          </Group>
          {rule.other_way_around.enabled && (
            <div className="clause">
              <Text size="sm">Mark those that lost it with</Text>
              <TextInput
                aria-label="Exclusion mark"
                value={rule.other_way_around.exclude?.value ?? ''}
                onChange={(e) => {
                  const value = e.currentTarget.value;
                  change({
                    ...rule,
                    other_way_around: {
                      enabled: true,
                      exclude: { field: rule.other_way_around.exclude?.field ?? '', value },
                    },
                  });
                }}
                w={140}
              />
              <Text size="sm">in</Text>
              <Select
                aria-label="Field of the exclusion mark"
                searchable
                data={source.map((f) => ({ value: f.name, label: `${f.label} (${f.name})` }))}
                value={rule.other_way_around.exclude?.field || null}
                onChange={(v) =>
                  change({
                    ...rule,
                    other_way_around: {
                      enabled: true,
                      exclude: { value: rule.other_way_around.exclude?.value ?? '', field: v ?? '' },
                    },
                  })
                }
                w={220}
              />
            </div>
          )}
        </>
      )}
      <Text size="xs" c="var(--soft)">
        {rule.id} · {way === 'to_right' ? 'to the right' : 'to the left'}
      </Text>
    </div>
  );
}

type GroupNode = Extract<Node, { kind: 'group' }>;

function GroupEditor({
  node,
  fields,
  change,
  remove,
  outer,
}: {
  node: GroupNode;
  fields: FieldLike[];
  change: (next: GroupNode) => void;
  remove?: () => void;
  outer?: boolean;
}) {
  const set = (i: number, next: Node) => change({ ...node, nodes: node.nodes.map((n, j) => (j === i ? next : n)) });
  const drop = (i: number) => change({ ...node, nodes: node.nodes.filter((_, j) => j !== i) });
  const first = fields[0]?.name ?? '';
  const body = (
    <>
      {node.nodes.length > 1 || node.not || !outer ? (
        <div className="clause">
          <Select
            aria-label="How the clauses are joined"
            data={[
              { value: 'all', label: 'all of these hold' },
              { value: 'any', label: 'any of these holds' },
              { value: 'not all', label: 'not all of these hold' },
              { value: 'not any', label: 'none of these holds' },
            ]}
            value={`${node.not ? 'not ' : ''}${node.any ? 'any' : 'all'}`}
            onChange={(v) => change({ ...node, any: !!v?.endsWith('any'), not: !!v?.startsWith('not') })}
            w={180}
          />
          {remove && (
            <ActionIcon variant="subtle" color="gray" size="sm" aria-label="Remove this group" onClick={remove}>
              <Icon name="close" size={13} />
            </ActionIcon>
          )}
        </div>
      ) : null}
      {node.nodes.map((n, i) =>
        n.kind === 'group' ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: clauses have no name of their own
          <GroupEditor key={i} node={n} fields={fields} change={(next) => set(i, next)} remove={() => drop(i)} />
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: clauses have no name of their own
          <ClauseEditor key={i} node={n} fields={fields} change={(next) => set(i, next)} remove={() => drop(i)} />
        ),
      )}
      <Group gap={4}>
        <Button
          variant="subtle"
          size="compact-xs"
          onClick={() =>
            change({ ...node, nodes: [...node.nodes, { kind: 'clause', field: first, op: 'equals', value: '' }] })
          }
        >
          add filter …
        </Button>
        {(node.nodes.length > 0 || !outer) && (
          <Button
            variant="subtle"
            size="compact-xs"
            onClick={() =>
              change({
                ...node,
                nodes: [
                  ...node.nodes,
                  {
                    kind: 'group',
                    any: !node.any,
                    not: false,
                    nodes: [{ kind: 'clause', field: first, op: 'equals', value: '' }],
                  },
                ],
              })
            }
          >
            add group …
          </Button>
        )}
      </Group>
    </>
  );
  return outer ? body : <div className="group">{body}</div>;
}

function ClauseEditor({
  node,
  fields,
  change,
  remove,
}: {
  node: Extract<Node, { kind: 'clause' }>;
  fields: FieldLike[];
  change: (next: Node) => void;
  remove: () => void;
}) {
  const field = fields.find((f) => f.name === node.field);
  const data = fields.map((f) => ({ value: f.name, label: `${f.label} (${f.name})` }));
  if (node.field && !field) data.unshift({ value: node.field, label: `${node.field} (no such field now)` });
  return (
    <div className="clause">
      <Select
        aria-label="Field"
        searchable
        data={data}
        value={node.field || null}
        onChange={(v) => change({ ...node, field: v ?? '' })}
        w={220}
      />
      <Select
        aria-label="Operator"
        data={operatorsFor(field?.type).map((op) => ({ value: op, label: operatorWords[op] ?? op }))}
        value={node.op}
        onChange={(v) => {
          const op = v ?? 'equals';
          const value: Value = withoutValue.includes(op)
            ? null
            : withList.includes(op) && !Array.isArray(node.value)
              ? node.value
                ? [node.value as string]
                : []
              : !withList.includes(op) && Array.isArray(node.value)
                ? showValue(node.value)
                : (node.value ?? '');
          change({ ...node, op, value });
        }}
        w={160}
      />
      {!withoutValue.includes(node.op) && (
        <ValueInput
          key={`${node.op} ${field?.type}`}
          value={node.value}
          op={node.op}
          type={field?.type}
          change={(value) => change({ ...node, value })}
        />
      )}
      <ActionIcon variant="subtle" color="gray" size="sm" aria-label="Remove this filter" onClick={remove}>
        <Icon name="close" size={13} />
      </ActionIcon>
    </div>
  );
}

/** Any text is a value; what is typed is kept as typed until the field is left. */
function ValueInput({
  value,
  op,
  type,
  change,
}: {
  value: Value;
  op: string;
  type: string | undefined;
  change: (value: Value) => void;
}) {
  return (
    <TextInput
      aria-label="Value"
      placeholder={withList.includes(op) ? 'several, separated by commas' : op === 'in_last_days' ? 'days' : 'value'}
      defaultValue={showValue(value)}
      onChange={(e) => change(readValue(op, type, e.currentTarget.value))}
      w={180}
    />
  );
}
