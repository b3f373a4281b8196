import { Button, Kbd, Group as Row, SegmentedControl, Stack, Text, TextInput } from '@mantine/core';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { call } from '../api/client';
import { useConnection, useGet, useList } from '../api/queries';
import { type Connection, type RecordView, type Side, type Sync, sides, type Value } from '../api/types';
import { type Group, groupsOf, holds, ownValue } from '../app/groups';
import { useMay } from '../app/session';
import { useAction } from '../ui/action';
import { Empty, Failure, Loading, Moment, Note, Shown } from '../ui/basics';
import { Icon } from '../ui/icons';
import { Page, Panel } from '../ui/page';
import { Alike } from './alike';
import { SyncPick, useEnds } from './connection';
import { useBothFields } from './editing';
import { baseValue, MappingName, openFields, useResolve } from './record';

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
    { enabled: !!sync, every: 5_000 },
  );
  const [decided, decide] = useDecided();
  const items = groupsOf(list.items).filter((g) => ![...decided].some((key) => holds(g, key)));
  const here = search.at ?? '';
  const at = Math.max(
    0,
    items.findIndex((g) => holds(g, here)),
  );
  const group = items[at];
  // Who is looked at stays, with what was chosen, when the list tells of others before them.
  const shown = group && (holds(group, here) ? here : group.key);
  const ahead = items[at + 1];
  const set = (next: Partial<typeof search>) =>
    void go({
      to: '/connections/$connection/conflicts',
      params: { connection: id },
      search: { ...search, ...next },
      replace: true,
    });
  useEffect(() => {
    if (shown && shown !== search.at) set({ at: shown });
  });
  const move = (by: number) => {
    const next = items[Math.max(0, Math.min(items.length - 1, at + by))];
    if (at + by >= items.length - 5 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage();
    if (next) set({ at: next.key });
  };
  const next = (also: string[] = []) => {
    if (!group) return;
    const rest = items.find((g, i) => i > at && !also.includes(g.key));
    if (rest) set({ at: rest.key });
    for (const key of [group.key, ...also]) decide(key);
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
      ) : !group || !sync ? (
        <Empty title={kind === 'conflict' ? 'No conflict is open' : 'There are no duplicates'} icon="check">
          {kind === 'conflict'
            ? 'A conflict arises when both sides change one field and the setting says “review”.'
            : 'Several records of one app with the same identity would be listed here, unwritten until they are merged or linked.'}
        </Empty>
      ) : (
        <>
          <Row justify="space-between">
            <Text size="sm" role="status">
              {at + 1} of {items.length}
              {list.hasNextPage ? ' or more' : ''}
            </Text>
            <Row gap="xs">
              <Text size="xs" c="var(--soft)" visibleFrom="sm">
                <Kbd size="xs">J</Kbd> next <Kbd size="xs">K</Kbd> previous{' '}
                {group.kind === 'twins' ? (
                  <>
                    <Kbd size="xs">1</Kbd> … <Kbd size="xs">9</Kbd> choose <Kbd size="xs">Ctrl+Enter</Kbd> link
                  </>
                ) : (
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
                onClick={() => move(1)}
                disabled={at >= items.length - 1 && !list.hasNextPage}
                rightSection={<Icon name="right" size={12} />}
              >
                Next
              </Button>
            </Row>
          </Row>
          {group.kind === 'pair' ? (
            <Conflict
              key={shown}
              record={group.record}
              connection={connection}
              sync={sync}
              move={move}
              next={next}
              others={items.filter((g) => g.kind === 'pair' && g !== group)}
            />
          ) : (
            <Twins key={shown} group={group} connection={connection} sync={sync} move={move} next={next} />
          )}
          {ahead?.kind === 'pair' && <Ahead key={ahead.key} record={ahead.record} connection={id} sync={sync.id} />}
        </>
      )}
    </Page>
  );
}

/** How long what was decided is not offered again: it is being written meanwhile. */
const written = 15_000;

/** useDecided remembers what was just decided, which the list still tells of until it is written. */
function useDecided() {
  const [decided, setDecided] = useState<ReadonlySet<string>>(new Set());
  const decide = (key: string) => {
    setDecided((now) => new Set(now).add(key));
    setTimeout(
      () =>
        setDecided((now) => {
          const rest = new Set(now);
          rest.delete(key);
          return rest;
        }),
      written,
    );
  };
  return [decided, decide] as const;
}

/** useBoth reads both sides of a record, and why each field is as it is. */
function useBoth(connection: string, sync: string, record: RecordView) {
  const path = { id: connection, sync, side: record.side, record: record.id } as never;
  const view = useGet('/v1/connections/{id}/syncs/{sync}/records/{side}/{record}', { path });
  const why = useGet('/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/explain', { path });
  return { view, why };
}

/** Ahead reads the next one while a person looks at this one. */
function Ahead({ record, connection, sync }: { record: RecordView; connection: string; sync: string }) {
  useBoth(connection, sync, record);
  return null;
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
  next,
  others,
}: {
  record: RecordView;
  connection: Connection;
  sync: Sync;
  move: (by: number) => void;
  /** Of what is decided, and of others that were decided with it. */
  next: (also?: string[]) => void;
  others: Group[];
}) {
  const works = useMay('works');
  const ends = useEnds(connection);
  const side = record.side as Side;
  const { view, why } = useBoth(connection.id, sync.id, record);
  const { fields } = useBothFields(connection, sync);
  const typeOf = (mapping: string) => {
    const names = sync.mappings?.find((m) => m.id === mapping)?.left ?? [];
    return names.length === 1 ? fields.left.find((f) => f.name === names[0])?.type : undefined;
  };
  const [choices, setChoices] = useState<Record<string, Choice>>({});
  const [own, setOwn] = useState<Record<string, string>>({});
  const [focus, setFocus] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const run = useResolve(connection.id, sync.id, side, record.id, () => undefined);
  const open = openFields(why.data?.data);
  const ready =
    open.length > 0 &&
    open.every((f) => choices[f.mapping] && (choices[f.mapping] !== 'own' || own[f.mapping] !== undefined));
  // A value of one's own is for one record.
  const sided = open.every((f) => choices[f.mapping] !== 'own');
  const [alike, setAlike] = useState(false);
  const choose = (mapping: string, choice: Choice) => {
    setChoices((c) => ({ ...c, [mapping]: choice }));
    if (choice !== 'own') setFocus((f) => Math.min(f + 1, Math.max(0, open.length - 1)));
    else
      requestAnimationFrame(() =>
        box.current?.querySelector<HTMLInputElement>(`input[data-own="${CSS.escape(mapping)}"]`)?.focus(),
      );
  };
  const decide = (also: string[] = []) => {
    if (!ready || run.isPending) return;
    run.mutate(
      Object.fromEntries(
        open.map((f) => {
          const choice = choices[f.mapping];
          return [
            f.mapping,
            choice === 'own'
              ? { value: ownValue(own[f.mapping] ?? '', typeOf(f.mapping)) }
              : choice === 'right'
                ? 'right'
                : 'left',
          ];
        }),
      ),
      { onSuccess: () => next(also) },
    );
  };
  useKeys((key, event) => {
    const field = open[Math.min(focus, open.length - 1)];
    if (alike) return false;
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
          <Row justify="flex-end">
            {others.length > 0 && (
              <Button variant="default" disabled={!ready || !sided || run.isPending} onClick={() => setAlike(true)}>
                The same for others like it …
              </Button>
            )}
            <Button disabled={!ready} loading={run.isPending} onClick={() => decide()}>
              Write this to both, and next
            </Button>
          </Row>
        )}
      </Stack>
      {alike && (
        <Alike
          connection={connection.id}
          sync={sync.id}
          choices={Object.fromEntries(open.map((f) => [f.mapping, choices[f.mapping] === 'right' ? 'right' : 'left']))}
          others={others}
          close={() => setAlike(false)}
          done={(keys) => {
            setAlike(false);
            decide(keys);
          }}
        />
      )}
    </Panel>
  );
}

/** The most records of one group that are shown side by side: what the digits reach. */
const most = 9;

/** Twins are records that may be one: one of each app is linked, or they are left as they are. */
function Twins({
  group,
  connection,
  sync,
  move,
  next,
}: {
  group: Group;
  connection: Connection;
  sync: Sync;
  move: (by: number) => void;
  next: () => void;
}) {
  const works = useMay('works');
  const ends = useEnds(connection);
  const [chosen, setChosen] = useState<Record<Side, string>>({ left: '', right: '' });
  const cards = sides.flatMap((side) => group[side].map((id) => ({ side, id }))).slice(0, most);
  // With one on a side there is nothing to choose.
  const pick = (side: Side) => chosen[side] || (group[side].length === 1 ? (group[side][0] ?? '') : '');
  const [left, right] = [pick('left').trim(), pick('right').trim()];
  const link = useAction(
    (_: undefined, key) =>
      call('post', '/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/link', {
        path: { id: connection.id, sync: sync.id, side: 'left', record: left } as never,
        key,
        body: { partner: right } as never,
      }),
    { say: 'Linked; what differs is being worked out', done: () => next() },
  );
  const decide = () => {
    if (left && right && !link.isPending) link.mutate(undefined);
  };
  useKeys((key, event) => {
    const card = /^[1-9]$/.test(key) ? cards[Number(key) - 1] : undefined;
    if (key === 'j') move(1);
    else if (key === 'k') move(-1);
    else if (works && card) setChosen((c) => ({ ...c, [card.side]: card.id }));
    else if (works && key === 'Enter' && event.ctrlKey) decide();
    else return false;
    return true;
  });
  return (
    <Stack gap="sm">
      <Note tone="yellow" title={`${group.left.length + group.right.length} records may be one`}>
        None of them is written until one of each app is linked, or they are merged in their app. Merging there is best:
        the link follows the one that stays. Whoever is to stay apart is left as they are: go on to the next.
      </Note>
      <div className="columns">
        {sides.map((side) => (
          <Panel key={side} title={<span className={`side-${side}`}>{ends[side].name}</span>}>
            <Stack gap="sm">
              {group[side].length === 0 ? (
                <TextInput
                  label={`ID of the one in ${ends[side].name}`}
                  description="None was found: name it, if there is one"
                  value={chosen[side]}
                  disabled={!works}
                  onChange={(e) => {
                    const id = e.currentTarget.value;
                    setChosen((c) => ({ ...c, [side]: id }));
                  }}
                />
              ) : (
                <div className="cards" role="radiogroup" aria-label={`The one of ${ends[side].name}`}>
                  {cards
                    .map((card, i) => ({ ...card, no: i + 1 }))
                    .filter((card) => card.side === side)
                    .map((card) => (
                      <Twin
                        key={card.id}
                        {...card}
                        connection={connection}
                        sync={sync}
                        works={works}
                        chosen={pick(side) === card.id}
                        choose={() => setChosen((c) => ({ ...c, [side]: card.id }))}
                      />
                    ))}
                </div>
              )}
            </Stack>
          </Panel>
        ))}
      </div>
      {group.left.length + group.right.length > most && (
        <Text size="sm">
          {group.left.length + group.right.length - most} more are not shown: merge some in their app.
        </Text>
      )}
      {link.error != null && <Failure error={link.error} />}
      {works && (
        <Row justify="flex-end">
          <Button variant="default" onClick={() => move(1)}>
            Leave them, and next
          </Button>
          <Button disabled={!left || !right} loading={link.isPending} onClick={decide}>
            Link these two, and next
          </Button>
        </Row>
      )}
    </Stack>
  );
}

function Twin({
  no,
  id,
  side,
  connection,
  sync,
  works,
  chosen,
  choose,
}: {
  no: number;
  id: string;
  side: Side;
  connection: Connection;
  sync: Sync;
  works: boolean;
  chosen: boolean;
  choose: () => void;
}) {
  const path = { id: connection.id, sync: sync.id, side, record: id } as never;
  const view = useGet('/v1/connections/{id}/syncs/{sync}/records/{side}/{record}', { path });
  const values = (view.data?.data.values[side] ?? {}) as Record<string, Value>;
  const names = [...new Set((sync.mappings ?? []).flatMap((m) => m[side] ?? []))];
  return (
    <div>
      {/* biome-ignore lint/a11y/useSemanticElements: a card that is a radio */}
      <button
        type="button"
        role="radio"
        aria-checked={chosen}
        aria-label={`${no}: ${id}`}
        className="card"
        disabled={!works}
        onClick={choose}
      >
        <span className={`side-${side} mono`}>
          {no} · {id}
        </span>
        {view.isSuccess &&
          names
            .filter((n) => values[n] !== undefined && values[n] !== null)
            .map((n) => (
              <span key={n}>
                <span className="blank">{n}</span> <Shown value={values[n]} />
              </span>
            ))}
      </button>
      {view.isPending && <Loading what="the record" />}
      {view.isError && <Failure error={view.error} again={() => void view.refetch()} />}
      <Link
        className="link link-alone"
        to="/connections/$connection/records/$sync/$side/$record"
        params={{ connection: connection.id, sync: sync.id, side, record: id }}
      >
        Open {id}
      </Link>
    </div>
  );
}
