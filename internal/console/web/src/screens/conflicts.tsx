import { Button, Group, Kbd, SegmentedControl, Stack, Text, TextInput } from '@mantine/core';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { call } from '../api/client';
import { useConnection, useGet, useList } from '../api/queries';
import { type Connection, other, type RecordView, type Side, type Sync } from '../api/types';
import { useMay } from '../app/session';
import { useAction } from '../ui/action';
import { Empty, Failure, Loading, Moment, Note, Shown } from '../ui/basics';
import { Icon } from '../ui/icons';
import { Page, Panel } from '../ui/page';
import { SyncPick, useEnds } from './connection';
import { baseValue, MappingName, useResolve } from './record';

/** Conflicts is a work list: one at a time, by keyboard, until none is left. */
export function Conflicts() {
  const { connection: id } = useParams({ from: '/connections/$connection' });
  const search = useSearch({ from: '/connections/$connection/conflicts' });
  const go = useNavigate();
  const connection = useConnection(id).data?.data;
  const kind = search.kind ?? 'conflict';
  const syncs = connection?.syncs ?? [];
  const sync = syncs.find((s) => s.id === search.sync) ?? syncs[0];
  const list = useList(
    '/v1/connections/{id}/syncs/{sync}/records',
    { path: { id, sync: sync?.id ?? '' }, query: { state: kind } as never },
    { enabled: !!sync },
  );
  const items = groupsOf(list.items, kind);
  const at = Math.max(
    0,
    items.findIndex((r) => keyOf(r) === search.at),
  );
  const record = items[at];
  const set = (next: Partial<typeof search>) =>
    void go({
      to: '/connections/$connection/conflicts',
      params: { connection: id },
      search: { ...search, ...next },
      replace: true,
    });
  const move = (by: number) => {
    const next = items[Math.max(0, Math.min(items.length - 1, at + by))];
    if (next) set({ at: keyOf(next) });
  };
  return (
    <Page
      title="Conflicts and duplicates"
      name="Conflicts and duplicates"
      sub="What only a person can decide; nothing of it is written until then"
      actions={
        <>
          <SyncPick syncs={syncs} value={sync?.id ?? ''} change={(v) => set({ sync: v })} />
          <SegmentedControl
            size="xs"
            aria-label="Kind"
            data={[
              { value: 'conflict', label: 'Conflicts' },
              { value: 'duplicate', label: 'Duplicates' },
            ]}
            value={kind}
            onChange={(v) =>
              void go({
                to: '/connections/$connection/conflicts',
                params: { connection: id },
                search: { ...(search.sync ? { sync: search.sync } : {}), kind: v as 'conflict' },
              })
            }
          />
        </>
      }
    >
      {list.isPending || !connection ? (
        <Loading what={kind === 'conflict' ? 'conflicts' : 'duplicates'} />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : !record || !sync ? (
        <Empty title={kind === 'conflict' ? 'No conflict is open' : 'There are no duplicates'} icon="check">
          {kind === 'conflict'
            ? 'A conflict arises when both sides change one field and the setting says “review”.'
            : 'Several records of one app with the same identity would be listed here, unwritten until they are merged or linked.'}
        </Empty>
      ) : (
        <>
          <Group justify="space-between">
            <Text size="sm" role="status">
              {at + 1} of {items.length}
              {list.hasNextPage ? ' or more' : ''}
            </Text>
            <Group gap="xs">
              <Text size="xs" c="var(--soft)" visibleFrom="sm">
                <Kbd size="xs">J</Kbd> next <Kbd size="xs">K</Kbd> previous{' '}
                {kind === 'conflict' && (
                  <>
                    <Kbd size="xs">1</Kbd> left <Kbd size="xs">2</Kbd> right <Kbd size="xs">3</Kbd> own{' '}
                    <Kbd size="xs">Ctrl+Enter</Kbd> decide
                  </>
                )}
              </Text>
              <Button
                variant="default"
                onClick={() => move(-1)}
                disabled={at === 0}
                leftSection={<Icon name="left" size={12} />}
              >
                Previous
              </Button>
              <Button
                variant="default"
                onClick={() => {
                  if (at >= items.length - 5 && list.hasNextPage) void list.fetchNextPage();
                  move(1);
                }}
                disabled={at >= items.length - 1 && !list.hasNextPage}
                rightSection={<Icon name="right" size={12} />}
              >
                Next
              </Button>
            </Group>
          </Group>
          {kind === 'conflict' ? (
            <Conflict key={keyOf(record)} record={record} connection={connection} sync={sync} move={move} />
          ) : (
            <Duplicate key={keyOf(record)} record={record} connection={connection} sync={sync} move={move} />
          )}
        </>
      )}
    </Page>
  );
}

const keyOf = (r: RecordView) => `${r.side}.${r.id}`;

/** groupsOf shows a pair, and a group of duplicates, once. */
function groupsOf(items: RecordView[], kind: string) {
  const seen = new Set<string>();
  return items.filter((r) => {
    if (seen.has(keyOf(r))) return false;
    seen.add(keyOf(r));
    if (kind === 'conflict' && r.partner) seen.add(`${other(r.side as Side)}.${r.partner}`);
    if (kind === 'duplicate') for (const o of r.others ?? []) seen.add(`${r.side}.${o}`);
    return true;
  });
}

type Choice = 'left' | 'right' | 'own';

function useKeys(handle: (key: string, event: KeyboardEvent) => boolean) {
  const current = useRef(handle);
  current.current = handle;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const typing = (event.target as HTMLElement)?.closest?.(
        'input, textarea, select, [role="dialog"], [role="listbox"]',
      );
      if ((typing && !(event.key === 'Enter' && event.ctrlKey)) || event.altKey || event.metaKey) return;
      if (current.current(event.key, event)) event.preventDefault();
    };
    document.addEventListener('keydown', listen);
    return () => document.removeEventListener('keydown', listen);
  }, []);
}

function Conflict({
  record,
  connection,
  sync,
  move,
}: {
  record: RecordView;
  connection: Connection;
  sync: Sync;
  move: (by: number) => void;
}) {
  const works = useMay('works');
  const ends = useEnds(connection);
  const side = record.side as Side;
  const path = { id: connection.id, sync: sync.id, side, record: record.id } as never;
  const view = useGet('/v1/connections/{id}/syncs/{sync}/records/{side}/{record}', { path });
  const why = useGet('/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/explain', { path });
  const [choices, setChoices] = useState<Record<string, Choice>>({});
  const [own, setOwn] = useState<Record<string, string>>({});
  const [focus, setFocus] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const run = useResolve(connection.id, sync.id, side, record.id, () => undefined);
  const open = (why.data?.data.fields ?? []).filter(
    (f) => f.rule === 'conflict_review' || f.rule === 'first_difference_review',
  );
  const ready =
    open.length > 0 &&
    open.every((f) => choices[f.mapping] && (choices[f.mapping] !== 'own' || own[f.mapping] !== undefined));
  const choose = (mapping: string, choice: Choice) => {
    setChoices((c) => ({ ...c, [mapping]: choice }));
    if (choice !== 'own') setFocus((f) => Math.min(f + 1, Math.max(0, open.length - 1)));
    else
      requestAnimationFrame(() =>
        box.current?.querySelector<HTMLInputElement>(`input[data-own="${CSS.escape(mapping)}"]`)?.focus(),
      );
  };
  const decide = () => {
    if (!ready || run.isPending) return;
    run.mutate(
      Object.fromEntries(
        open.map((f) => {
          const choice = choices[f.mapping];
          return [
            f.mapping,
            choice === 'own' ? { value: own[f.mapping] ?? '' } : choice === 'right' ? 'right' : 'left',
          ];
        }),
      ),
      { onSuccess: () => move(1) },
    );
  };
  useKeys((key, event) => {
    const field = open[Math.min(focus, open.length - 1)];
    if (key === 'j') move(1);
    else if (key === 'k') move(-1);
    else if (works && field && key === '1') choose(field.mapping, 'left');
    else if (works && field && key === '2') choose(field.mapping, 'right');
    else if (works && field && key === '3') choose(field.mapping, 'own');
    else if (works && key === 'Enter' && event.ctrlKey) decide();
    else return false;
    return true;
  });
  if (view.isPending || why.isPending) return <Loading what="both sides" />;
  if (view.isError || why.isError)
    return <Failure error={view.error ?? why.error} again={() => void Promise.all([view.refetch(), why.refetch()])} />;
  const full = view.data.data;
  return (
    <Panel
      title={
        <>
          <span className="side-left mono">{side === 'left' ? record.id : record.partner}</span>{' '}
          <Icon name="both" size={12} />{' '}
          <span className="side-right mono">{side === 'right' ? record.id : record.partner}</span>
        </>
      }
      actions={
        <>
          <Text size="xs" c="var(--soft)">
            since <Moment at={full.since} />
          </Text>
          <Link
            className="link"
            to="/connections/$connection/records/$sync/$side/$record"
            params={{ connection: connection.id, sync: sync.id, side, record: record.id }}
          >
            Open the record
          </Link>
        </>
      }
    >
      <Stack gap="md" ref={box}>
        {open.length === 0 && <Text size="sm">No field waits for a decision any more.</Text>}
        {open.map((f, i) => {
          const mapping = sync.mappings?.find((m) => m.id === f.mapping);
          const base = baseValue(full.base?.[f.mapping]);
          const choice = choices[f.mapping];
          return (
            <fieldset
              key={f.mapping}
              style={{ border: 0, margin: 0, padding: 0 }}
              data-focus={i === focus || undefined}
            >
              <legend style={{ padding: 0, fontWeight: 600, fontSize: '0.8125rem', marginBottom: 6 }}>
                {i === focus && works ? '▸ ' : ''}
                {mapping ? <MappingName mapping={mapping} /> : f.mapping}
              </legend>
              <div className="cards" role="radiogroup" aria-label={f.mapping}>
                {/* biome-ignore lint/a11y/useSemanticElements: a card that is a radio */}
                <button
                  type="button"
                  role="radio"
                  aria-checked={choice === 'left'}
                  className="card"
                  disabled={!works}
                  onClick={() => choose(f.mapping, 'left')}
                >
                  <span className="side-left">1 · {ends.left.name}</span>
                  <Shown value={f.left} />
                </button>
                {/* biome-ignore lint/a11y/useSemanticElements: a card that is a radio */}
                <button
                  type="button"
                  role="radio"
                  aria-checked={choice === 'right'}
                  className="card"
                  disabled={!works}
                  onClick={() => choose(f.mapping, 'right')}
                >
                  <span className="side-right">2 · {ends.right.name}</span>
                  <Shown value={f.right} />
                </button>
                <div className="card">
                  <span className="blank">Last agreed</span>
                  {base.known ? <Shown value={base.value} /> : <span className="blank">nothing yet</span>}
                </div>
                {works && (
                  <div className="card">
                    <TextInput
                      label="3 · A value of my own"
                      data-own={f.mapping}
                      value={own[f.mapping] ?? ''}
                      onFocus={() => setFocus(i)}
                      onChange={(e) => {
                        const value = e.currentTarget.value;
                        setOwn((o) => ({ ...o, [f.mapping]: value }));
                        setChoices((c) => ({ ...c, [f.mapping]: 'own' }));
                      }}
                    />
                  </div>
                )}
              </div>
            </fieldset>
          );
        })}
        {run.error != null && <Failure error={run.error} />}
        {works && (
          <Group justify="flex-end">
            <Button disabled={!ready} loading={run.isPending} onClick={decide}>
              Write this to both, and next
            </Button>
          </Group>
        )}
      </Stack>
    </Panel>
  );
}

function Duplicate({
  record,
  connection,
  sync,
  move,
}: {
  record: RecordView;
  connection: Connection;
  sync: Sync;
  move: (by: number) => void;
}) {
  const works = useMay('works');
  const ends = useEnds(connection);
  const side = record.side as Side;
  const ids = [record.id, ...(record.others ?? [])].slice(0, 6);
  useKeys((key) => {
    if (key === 'j') move(1);
    else if (key === 'k') move(-1);
    else return false;
    return true;
  });
  return (
    <Stack gap="sm">
      <Note tone="yellow" title={`${ids.length} records of ${ends[side].name} have the same identity`}>
        None of them is written until one is linked or they are merged in {ends[side].name}. Merging there is best: the
        link follows the one that stays.
      </Note>
      <div className="columns">
        {ids.map((id) => (
          <Twin key={id} id={id} side={side} connection={connection} sync={sync} works={works} />
        ))}
      </div>
    </Stack>
  );
}

function Twin({
  id,
  side,
  connection,
  sync,
  works,
}: {
  id: string;
  side: Side;
  connection: Connection;
  sync: Sync;
  works: boolean;
}) {
  const ends = useEnds(connection);
  const path = { id: connection.id, sync: sync.id, side, record: id } as never;
  const view = useGet('/v1/connections/{id}/syncs/{sync}/records/{side}/{record}', { path });
  const [partner, setPartner] = useState('');
  const link = useAction(
    (to: string, key) =>
      call('post', '/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/link', {
        path,
        key,
        body: { partner: to } as never,
      }),
    { say: 'Linked' },
  );
  if (view.isPending) return <Loading what="the record" />;
  if (view.isError) return <Failure error={view.error} again={() => void view.refetch()} />;
  const record = view.data.data;
  const values = (record.values[side] ?? {}) as Record<string, never>;
  const names = [...new Set((sync.mappings ?? []).flatMap((m) => m[side] ?? []))];
  return (
    <Panel
      title={<span className="mono">{id}</span>}
      actions={
        <Link
          className="link"
          to="/connections/$connection/records/$sync/$side/$record"
          params={{ connection: connection.id, sync: sync.id, side, record: id }}
        >
          Open
        </Link>
      }
    >
      <Stack gap="sm">
        <dl className="facts">
          {names.map((n) => (
            <div key={n} style={{ display: 'contents' }}>
              <dt>{n}</dt>
              <dd>
                <Shown value={values[n]} />
              </dd>
            </div>
          ))}
        </dl>
        {works && (
          <Group gap="xs" align="flex-end">
            <TextInput
              label={`This is the one: link with ID of ${ends[other(side)].name}`}
              value={partner}
              onChange={(e) => setPartner(e.currentTarget.value)}
              style={{ flex: 1 }}
            />
            <Button
              variant="default"
              disabled={!partner.trim()}
              loading={link.isPending}
              onClick={() => link.mutate(partner.trim())}
            >
              Link
            </Button>
          </Group>
        )}
        {link.error != null && <Failure error={link.error} />}
      </Stack>
    </Panel>
  );
}
