import { Button, Chip, Drawer, Group, Stack, Switch, Text, TextInput } from '@mantine/core';
import { useParams } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useGet, useList } from '../api/queries';
import type { Field, Mapping, Side, Sync, Value } from '../api/types';
import { freshId, suggestTransform, unfit, usedBy } from '../app/fit';
import { same } from '../app/merge';
import { directionWords, transformWords } from '../app/words';
import { DirectionIcon, Failure, Note, Shown } from '../ui/basics';
import { Dialog } from '../ui/dialogs';
import { type Column, Grid } from '../ui/grid';
import { Icon } from '../ui/icons';
import { Panel } from '../ui/page';
import { CustomField } from './custom_field';
import { type Editing, EditPage, savedSync } from './editing';
import { type By, MappingForm, shownValue } from './mapping_form';
import { MappingsPreview } from './previews';

export function MappingsPage() {
  const { connection } = useParams({ from: '/connections/$connection' });
  return (
    <EditPage title="Mappings" sub="Which field becomes which, and how. The fields of both apps are read live">
      {(editing, doc) => <MappingsEditor {...editing} id={connection} saved={savedSync(doc, editing.sync)} />}
    </EditPage>
  );
}

type Show = 'all' | 'unmapped' | 'required' | 'mismatch' | 'changed';

/** MappingsEditor is one table of all mappings, with search, chips and work on several at once. */
export function MappingsEditor(props: Editing & { id: string; saved: Sync | undefined }) {
  const { sync, change, ends, fields, refresh, busy, may, id, saved } = props;
  const mappings = useMemo(() => sync.mappings ?? [], [sync.mappings]);
  const [text, setText] = useState('');
  const [show, setShow] = useState<Show>('all');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [editing, setEditing] = useState<string>();
  const [custom, setCustom] = useState<Side>();
  const pinned = usePinned(id, sync.id);
  const by = useMemo(
    () => ({
      left: new Map(fields.left.map((f) => [f.name, f])),
      right: new Map(fields.right.map((f) => [f.name, f])),
    }),
    [fields.left, fields.right],
  );
  const labels = (m: Mapping, side: Side) => (m[side] ?? []).map((n) => by[side].get(n)?.label ?? n).join(' + ') || '–';
  const reason = (m: Mapping) => {
    if ((m.left ?? []).length !== 1 || (m.right ?? []).length !== 1) return '';
    return unfit(by.left.get(m.left?.[0] ?? ''), by.right.get(m.right?.[0] ?? ''), m.direction, m.transform.type);
  };
  const isChanged = (m: Mapping) =>
    !same(
      saved?.mappings?.find((x) => x.id === m.id),
      m,
    );
  const isRequired = (m: Mapping) =>
    m.origin === 'required' ||
    (m.left ?? []).some((n) => by.left.get(n)?.required) ||
    (m.right ?? []).some((n) => by.right.get(n)?.required);
  const wanted = text.trim().toLowerCase();
  const rows = mappings.filter(
    (m) =>
      `${labels(m, 'left')} ${labels(m, 'right')} ${(m.left ?? []).join(' ')} ${(m.right ?? []).join(' ')} ${m.id}`
        .toLowerCase()
        .includes(wanted) &&
      (show === 'all' ||
        (show === 'required' && isRequired(m)) ||
        (show === 'mismatch' && reason(m) !== '') ||
        (show === 'changed' && isChanged(m))),
  );
  const set = (mapping: Mapping) =>
    change((s) => ({ ...s, mappings: (s.mappings ?? []).map((m) => (m.id === mapping.id ? mapping : m)) }));
  const setAll = (next: (m: Mapping) => Mapping | undefined) =>
    change((s) => ({ ...s, mappings: (s.mappings ?? []).flatMap((m) => (chosen.has(m.id) ? (next(m) ?? []) : m)) }));
  const add = (left: string, right: string) => {
    const l = by.left.get(left);
    const r = by.right.get(right);
    const mapping = {
      id: freshId(mappings, right || left),
      left: left ? [left] : [],
      right: right ? [right] : [],
      direction: r?.read_only ? 'to_left' : l?.read_only ? 'to_right' : 'both',
      enabled: true,
      origin: 'custom',
      transform: { type: suggestTransform(l, r) },
      default: { to_right: null, to_left: null },
      conflict: null,
      clear: { to_right: false, to_left: false },
      write_once: false,
      policy: null,
    } as Mapping;
    change((s) => ({ ...s, mappings: [...(s.mappings ?? []), mapping] }));
    setEditing(mapping.id);
  };
  const counts = {
    required: mappings.filter(isRequired).length,
    mismatch: mappings.filter((m) => reason(m) !== '').length,
    changed: mappings.filter(isChanged).length,
    unmapped:
      fields.left.filter((f) => !usedBy(mappings, 'left', f.name)).length +
      fields.right.filter((f) => !usedBy(mappings, 'right', f.name)).length,
  };
  const missing = (['left', 'right'] as const).flatMap((side) =>
    fields[side].filter((f) => f.required && !f.read_only && !usedBy(mappings, side, f.name)).map((f) => ({ side, f })),
  );
  const columns: Column<Mapping>[] = [
    {
      id: 'on',
      header: 'On',
      width: '48px',
      cell: (m) => (
        <Switch
          size="xs"
          aria-label={`${labels(m, 'left')} to ${labels(m, 'right')}: on`}
          checked={m.enabled !== false}
          disabled={!may}
          onChange={(e) => set({ ...m, enabled: e.currentTarget.checked })}
        />
      ),
    },
    {
      id: 'left',
      header: ends.left.name,
      width: 'minmax(110px, 1.400fr)',
      cell: (m) => (
        <span title={(m.left ?? []).join(', ')} className="side-left">
          {labels(m, 'left')}
          {isRequiredOn(m, 'left', by.left) && <b title="required by the app"> *</b>}
        </span>
      ),
    },
    {
      id: 'lv',
      header: 'Value',
      width: 'minmax(80px, 1fr)',
      priority: 3,
      cell: (m) => <Shown value={shownValue(pinned.values?.left, m.left)} />,
    },
    {
      id: 'direction',
      header: '',
      width: '30px',
      cell: (m) => (
        <span title={directionWords[m.direction]}>
          <DirectionIcon direction={m.enabled === false ? 'off' : m.direction} />
        </span>
      ),
    },
    {
      id: 'right',
      header: ends.right.name,
      width: 'minmax(110px, 1.400fr)',
      cell: (m) => (
        <span title={(m.right ?? []).join(', ')} className="side-right">
          {labels(m, 'right')}
          {isRequiredOn(m, 'right', by.right) && <b title="required by the app"> *</b>}
        </span>
      ),
    },
    {
      id: 'rv',
      header: 'Value',
      width: 'minmax(80px, 1fr)',
      priority: 3,
      cell: (m) => <Shown value={shownValue(pinned.values?.right, m.right)} />,
    },
    {
      id: 'transform',
      header: 'How',
      width: 'minmax(90px, 0.900fr)',
      priority: 2,
      cell: (m) => transformWords[m.transform.type] ?? m.transform.type,
    },
    {
      id: 'note',
      header: 'Note',
      width: 'minmax(90px, 1.200fr)',
      priority: 2,
      cell: (m) => {
        const why = reason(m);
        return why ? (
          <span title={why}>
            <Icon name="warn" size={13} /> {why}
          </span>
        ) : (
          <span className="blank">
            {[
              m.origin !== 'custom' ? m.origin : '',
              m.write_once ? 'written once' : '',
              m.policy ?? '',
              isChanged(m) ? 'changed' : '',
            ]
              .filter(Boolean)
              .join(', ')}
          </span>
        );
      },
    },
  ];
  const open = mappings.find((m) => m.id === editing);
  return (
    <Stack gap="sm">
      {missing.length > 0 && (
        <Note tone="yellow" title="Required and not mapped">
          {missing.map(({ side, f }) => `${f.label} (${ends[side].name})`).join(', ')}: an app makes no record without
          them. Map them, stamp them in the settings, or only update in that direction.
        </Note>
      )}
      {counts.mismatch > 0 && (
        <Note tone="yellow">
          Types that do not fit end as failures:{' '}
          {counts.mismatch === 1 ? 'one mapping is' : `${counts.mismatch} mappings are`} listed under “Mismatch” with
          the reason.
        </Note>
      )}
      <div className="filters">
        <TextInput
          aria-label="Search mappings and fields"
          placeholder="Search by label or name"
          leftSection={<Icon name="search" size={14} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          w={230}
        />
        <Chip.Group value={show} onChange={(v) => setShow(v as Show)}>
          <Group gap={4}>
            {(['all', 'unmapped', 'required', 'mismatch', 'changed'] as const).map((s) => (
              <Chip key={s} size="xs" value={s}>
                {s === 'all' ? `All ${mappings.length}` : `${s.charAt(0).toUpperCase()}${s.slice(1)} ${counts[s]}`}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
        <Group gap={6} ml="auto">
          <PinInput pinned={pinned} />
          {saved && <MappingsPreview connection={props.connection} sync={sync} ends={ends} record={pinned.wish} />}
          <Button variant="default" leftSection={<Icon name="refresh" size={13} />} loading={busy} onClick={refresh}>
            Refresh fields
          </Button>
          {may && (
            <>
              <Suggestions
                id={id}
                sync={sync}
                by={by}
                take={(m) =>
                  change((s) => ({
                    ...s,
                    mappings: [...(s.mappings ?? []), { ...m, id: freshId(s.mappings ?? [], m.id) }],
                  }))
                }
              />
              <Button leftSection={<Icon name="plus" size={13} />} onClick={() => add('', '')}>
                Add field mapping
              </Button>
            </>
          )}
        </Group>
      </div>
      {chosen.size > 0 && may && (
        <div className="savebar">
          <Text size="sm">{chosen.size} chosen</Text>
          <Group gap={6}>
            {(['both', 'to_right', 'to_left'] as const).map((d) => (
              <Button
                key={d}
                variant="default"
                leftSection={<DirectionIcon direction={d} />}
                onClick={() => setAll((m) => ({ ...m, direction: d }))}
              >
                {directionWords[d]}
              </Button>
            ))}
            <Button variant="default" onClick={() => setAll((m) => ({ ...m, enabled: true }))}>
              On
            </Button>
            <Button variant="default" onClick={() => setAll((m) => ({ ...m, enabled: false }))}>
              Off
            </Button>
            <Button
              color="red"
              variant="light"
              onClick={() => {
                setAll(() => undefined);
                setChosen(new Set());
              }}
            >
              Remove
            </Button>
          </Group>
        </div>
      )}
      {show === 'unmapped' ? (
        <Unmapped
          {...props}
          text={wanted}
          map={(side, name) => add(side === 'left' ? name : '', side === 'right' ? name : '')}
          create={setCustom}
        />
      ) : rows.length === 0 ? (
        <Panel>
          <Text size="sm" c="var(--soft)" ta="center" p="md">
            {mappings.length === 0
              ? 'No field is mapped yet: take the suggestions, or add one.'
              : 'No mapping fits the search.'}
          </Text>
        </Panel>
      ) : (
        <Grid
          label="Mappings"
          rows={rows}
          columns={columns}
          keyOf={(m) => m.id}
          open={(m) => setEditing(m.id)}
          selection={may ? { chosen, change: setChosen } : undefined}
          dim={(m) => m.enabled === false}
        />
      )}
      <Text size="xs" c="var(--soft)">
        * required by the app. A mapping that is off is kept and does nothing; one that is removed is gone, and values
        already there stay. Pre-mapped ones are best left as they are.
      </Text>
      <Drawer
        opened={!!open}
        onClose={() => setEditing(undefined)}
        position="right"
        size="md"
        title="Mapping"
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        {open && (
          <MappingForm
            key={open.id}
            {...props}
            mapping={open}
            by={by}
            set={set}
            pinned={pinned.values}
            remove={() => {
              setEditing(undefined);
              change((s) => ({ ...s, mappings: (s.mappings ?? []).filter((m) => m.id !== open.id) }));
            }}
            close={() => setEditing(undefined)}
          />
        )}
      </Drawer>
      {custom && <CustomField side={custom} {...props} close={() => setCustom(undefined)} />}
    </Stack>
  );
}

const isRequiredOn = (m: Mapping, side: Side, by: Map<string, Field>) =>
  (m[side] ?? []).some((n) => by.get(n)?.required);

/** usePinned is a record whose values are shown beside the mappings: the first linked one, or one of choice. */
function usePinned(id: string, sync: string) {
  const [wish, setWish] = useState('');
  const first = useList(
    '/v1/connections/{id}/syncs/{sync}/records',
    { path: { id, sync }, query: { state: 'in_sync' } as never },
    { limit: 1 },
  );
  const record = wish || first.items[0]?.id || '';
  const view = useGet(
    '/v1/connections/{id}/syncs/{sync}/records/{side}/{record}',
    { path: { id, sync, side: 'left', record } as never },
    { enabled: !!record },
  );
  const values = view.data?.data.values as { left?: Record<string, Value>; right?: Record<string, Value> } | undefined;
  return { record, wish, setWish, values, error: wish ? view.error : null };
}

function PinInput({ pinned }: { pinned: ReturnType<typeof usePinned> }) {
  const [text, setText] = useState('');
  return (
    <TextInput
      aria-label="ID of the record whose values are shown"
      placeholder={pinned.record ? `Values of ${pinned.record}` : 'Values of record …'}
      error={pinned.error ? 'not known' : undefined}
      value={text}
      onChange={(e) => setText(e.currentTarget.value)}
      onBlur={() => pinned.setWish(text.trim())}
      onKeyDown={(e) => e.key === 'Enter' && pinned.setWish(text.trim())}
      w={170}
    />
  );
}

function Suggestions({ id, sync, by, take }: { id: string; sync: Sync; by: By; take: (m: Mapping) => void }) {
  const [opened, setOpened] = useState(false);
  const got = useGet('/v1/connections/{id}/suggestions', { path: { id } }, { enabled: opened });
  const all = got.data?.data.items.find((s) => s.sync === sync.id)?.mappings ?? [];
  const mappings = sync.mappings ?? [];
  const left = all.filter(
    (m) =>
      !(m.left ?? []).some((n) => usedBy(mappings, 'left', n)) &&
      !(m.right ?? []).some((n) => usedBy(mappings, 'right', n)),
  );
  const why = (m: Mapping) => {
    const l = by.left.get(m.left?.[0] ?? '');
    const r = by.right.get(m.right?.[0] ?? '');
    if (m.origin === 'required') return 'an app makes no record without it';
    if (l && r && l.label.toLowerCase() === r.label.toLowerCase()) return 'the labels are the same';
    if (l && r && l.type === r.type && !['text', 'number'].includes(l.type)) return `both are of type ${l.type}`;
    return 'known to mean the same in both apps';
  };
  return (
    <>
      <Button variant="default" onClick={() => setOpened(true)}>
        Suggestions
      </Button>
      <Dialog opened={opened} close={() => setOpened(false)} title="Suggestions" size="lg">
        {got.isError && <Failure error={got.error} again={() => void got.refetch()} />}
        {got.data && left.length === 0 && <Text size="sm">Everything that could be suggested is mapped.</Text>}
        {left.length > 0 && (
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">Left</th>
                <th scope="col">Right</th>
                <th scope="col">Why</th>
                <th scope="col">
                  <Button size="compact-xs" variant="default" onClick={() => left.forEach(take)}>
                    Take all {left.length}
                  </Button>
                </th>
              </tr>
            </thead>
            <tbody>
              {left.map((m) => (
                <tr key={m.id}>
                  <td className="side-left">{(m.left ?? []).map((n) => by.left.get(n)?.label ?? n).join(' + ')}</td>
                  <td className="side-right">{(m.right ?? []).map((n) => by.right.get(n)?.label ?? n).join(' + ')}</td>
                  <td>{why(m)}</td>
                  <td>
                    <Button size="compact-xs" variant="default" onClick={() => take(m)}>
                      Take
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Dialog>
    </>
  );
}

function Unmapped({
  fields,
  sync,
  ends,
  text,
  may,
  map,
  create,
}: Editing & { text: string; map: (side: Side, name: string) => void; create: (side: Side) => void }) {
  const mappings = sync.mappings ?? [];
  return (
    <div className="columns">
      {(['left', 'right'] as const).map((side) => {
        const rows = fields[side].filter(
          (f) => !usedBy(mappings, side, f.name) && `${f.label} ${f.name}`.toLowerCase().includes(text),
        );
        const columns: Column<Field>[] = [
          {
            id: 'label',
            header: `${ends[side].name}: ${rows.length} unmapped`,
            width: 'minmax(120px, 2fr)',
            cell: (f) => (
              <>
                {f.label}
                {f.required && <b title="required by the app"> *</b>}
              </>
            ),
          },
          { id: 'type', header: 'Type', width: '90px', cell: (f) => f.type },
          {
            id: 'note',
            header: '',
            width: '80px',
            priority: 2,
            cell: (f) => (f.read_only ? <span className="blank">read only</span> : ''),
          },
          {
            id: 'map',
            header: '',
            width: '58px',
            cell: (f) =>
              may && (
                <Button
                  size="compact-xs"
                  variant="default"
                  aria-label={`Map ${f.label}`}
                  onClick={() => map(side, f.name)}
                >
                  Map
                </Button>
              ),
          },
        ];
        return (
          <Stack key={side} gap={6}>
            <Grid label={`Unmapped fields of ${ends[side].name}`} rows={rows} columns={columns} keyOf={(f) => f.name} />
            {may && (
              <Group>
                <Button size="compact-xs" variant="subtle" onClick={() => create(side)}>
                  make a custom field in {ends[side].name} …
                </Button>
              </Group>
            )}
          </Stack>
        );
      })}
    </div>
  );
}
