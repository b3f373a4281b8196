import { Button, Drawer, Group, Select, Stack, Text, TextInput } from '@mantine/core';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { Fragment, useState } from 'react';
import { call, fill } from '../api/client';
import { useConnection, useFields, useGet, useList } from '../api/queries';
import { type Entry, type Field, other, type Side, sourceOf, type Way } from '../api/types';
import { useTime } from '../app/format';
import { useMay } from '../app/session';
import { behaviorWords, outcomeWords, words } from '../app/words';
import { useAction } from '../ui/action';
import { CodeLink, Empty, Failure, Loading, Moment, OutcomeBadge, Remedy } from '../ui/basics';
import { Confirm } from '../ui/dialogs';
import { type Column, Grid } from '../ui/grid';
import { Icon } from '../ui/icons';
import { Page, Panel } from '../ui/page';
import { useEnds } from './connection';
import { Diffs } from './diffs';

type Search = Record<string, string | undefined>;

const ranges = [
  { value: '', label: 'Any time' },
  { value: 'today', label: 'Today' },
  { value: 'last_7_days', label: 'Last 7 days' },
  { value: 'this_month', label: 'This month' },
  { value: 'last_month', label: 'Last month' },
  { value: 'between', label: 'Between …' },
];
const events = [
  { value: '', label: 'All events' },
  { value: 'new', label: 'New' },
  { value: 'updated', label: 'Updated' },
  { value: 'failed', label: 'Failed' },
];

export function WholeLog() {
  const search = useSearch({ from: '/log' }) as Search;
  const go = useNavigate();
  return <Log search={search} change={(next) => void go({ to: '/log', search: next as never })} />;
}

export function ConnectionLog() {
  const { connection } = useParams({ from: '/connections/$connection' });
  const search = useSearch({ from: '/connections/$connection/log' }) as Search;
  const go = useNavigate();
  return (
    <Log
      only={connection}
      search={{ ...search, connection }}
      change={(next) => void go({ to: '/connections/$connection/log', params: { connection }, search: next as never })}
    />
  );
}

/** The query of the API from what stands in the address. */
function queryOf(s: Search) {
  const between = s.range === 'between';
  const moment = (day: string | undefined, end: boolean) =>
    day ? `${day}T${end ? '23:59:59' : '00:00:00'}Z` : undefined;
  return {
    connection: s.connection,
    sync: s.sync,
    range: between ? undefined : s.range,
    from: between ? moment(s.from, false) : undefined,
    to: between ? moment(s.to, true) : undefined,
    event: s.event,
    job_status: s.job,
    sync_status: s.outcome,
    side: s.side,
    record: s.record,
    run: s.run,
    code: s.code,
  };
}

function Log({ search, change, only }: { search: Search; change: (next: Search) => void; only?: string }) {
  const s = search;
  const works = useMay('works');
  const { zone } = useTime();
  const connection = useConnection(only ?? s.connection ?? '');
  const ends = useEnds(connection.data?.data);
  const connections = useList('/v1/connections', {}, { enabled: !only });
  const query = queryOf(s);
  const list = useList('/v1/log', { query: query as never }, { every: 20_000 });
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [asking, setAsking] = useState(false);
  const set = (next: Record<string, string | undefined>) => {
    const all = { ...s, ...next };
    if (only) delete all.connection;
    change(Object.fromEntries(Object.entries(all).filter(([, v]) => v)));
  };
  const filtered = ['range', 'event', 'job', 'outcome', 'side', 'record', 'run', 'code', 'sync'].some((k) => s[k]);
  const retryAll = useAction((_: undefined, key) => call('post', '/v1/log/retry', { query: query as never, key }), {
    say: 'The failed records are worked again',
    done: () => setAsking(false),
  });
  const retryChosen = useAction(
    async (ids: string[], key) => {
      for (const [i, id] of ids.entries())
        await call('post', '/v1/log/{id}/retry', { path: { id }, key: `${key}-${i}` });
      return ids.length;
    },
    { say: (n) => `${n} records are worked again`, done: () => setChosen(new Set()) },
  );
  const nameOf = new Map(connections.items.map((c) => [c.id, c.name]));
  const columns: Column<Entry>[] = [
    { id: 'time', header: `Time (${zone})`, width: '128px', cell: (e) => <Moment at={e.time} /> },
    {
      id: 'outcome',
      header: 'Outcome',
      width: '96px',
      cell: (e) => <OutcomeBadge outcome={e.resolved ? 'updated' : e.outcome} />,
    },
    ...(only
      ? []
      : [
          {
            id: 'integration',
            header: 'Connection',
            width: 'minmax(120px, 1fr)',
            priority: 2 as const,
            cell: (e: Entry) => nameOf.get(e.connection) ?? e.connection,
          },
        ]),
    {
      id: 'way',
      header: 'Direction',
      width: '96px',
      priority: 2,
      cell: (e) =>
        e.way === 'to_right' ? (
          <>
            to right <Icon name="toRight" size={12} />
          </>
        ) : e.way === 'to_left' ? (
          <>
            <Icon name="toLeft" size={12} /> to left
          </>
        ) : (
          ''
        ),
    },
    {
      id: 'record',
      header: 'Record',
      width: 'minmax(110px, 1fr)',
      cell: (e) => <span className="id">{e.record}</span>,
    },
    {
      id: 'code',
      header: 'Log message',
      width: 'minmax(130px, 2fr)',
      cell: (e) =>
        e.code ? (
          <>
            <CodeLink code={e.code} /> {e.message}
          </>
        ) : (
          whatOf(e)
        ),
    },
    {
      id: 'run',
      header: 'Run',
      width: 'minmax(90px, 0.800fr)',
      priority: 3,
      cell: (e) => (
        <Link className="link id" to="/runs/$run" params={{ run: e.run }}>
          {e.run}
        </Link>
      ),
    },
  ];
  const csv = fill('/v1/log.csv', undefined, query);
  return (
    <Page
      title="Log"
      name="Log"
      sub="What became of each record, newest first; unchanged ones are left out"
      actions={
        <>
          <Button
            component="a"
            href={csv}
            download="log.csv"
            variant="default"
            leftSection={<Icon name="download" size={14} />}
          >
            Download CSV
          </Button>
          {works && (
            <Button
              variant="default"
              onClick={() => setAsking(true)}
              disabled={!list.items.some((e) => e.outcome === 'failed' && !e.resolved)}
            >
              Retry all that failed
            </Button>
          )}
        </>
      }
    >
      <div className="filters">
        {!only && (
          <Select
            aria-label="Connection"
            data={[
              { value: '', label: 'All connections' },
              ...connections.items.map((c) => ({ value: c.id, label: c.name })),
            ]}
            value={s.connection ?? ''}
            onChange={(v) => set({ connection: v ?? '' })}
            searchable
            w={190}
          />
        )}
        <Select
          aria-label="Date range"
          data={ranges}
          value={s.range ?? ''}
          onChange={(v) => set({ range: v ?? '' })}
          w={130}
        />
        {s.range === 'between' && (
          <>
            <TextInput
              aria-label="From day"
              type="date"
              value={s.from ?? ''}
              onChange={(e) => set({ from: e.currentTarget.value })}
            />
            <TextInput
              aria-label="To day"
              type="date"
              value={s.to ?? ''}
              onChange={(e) => set({ to: e.currentTarget.value })}
            />
          </>
        )}
        <Select
          aria-label="Event"
          data={events}
          value={s.event ?? ''}
          onChange={(v) => set({ event: v ?? '' })}
          w={120}
        />
        <Select
          aria-label="Job status"
          data={[
            { value: '', label: 'Any job status' },
            { value: 'success', label: 'Job: success' },
            { value: 'failure', label: 'Job: failure' },
          ]}
          value={s.job ?? ''}
          onChange={(v) => set({ job: v ?? '' })}
          w={140}
        />
        <Select
          aria-label="Sync status"
          data={[
            { value: '', label: 'Any sync status' },
            { value: 'success', label: 'Records: success' },
            { value: 'error', label: 'Records: error' },
          ]}
          value={s.outcome ?? ''}
          onChange={(v) => set({ outcome: v ?? '' })}
          w={150}
        />
        <Select
          aria-label="Side"
          data={[
            { value: '', label: 'Both apps' },
            { value: 'left', label: only ? ends.left.name : 'Left app' },
            { value: 'right', label: only ? ends.right.name : 'Right app' },
          ]}
          value={s.side ?? ''}
          onChange={(v) => set({ side: v ?? '' })}
          w={130}
        />
        <Committed label="Record ID" value={s.record ?? ''} set={(v) => set({ record: v })} />
        <Committed label="Code" value={s.code ?? ''} set={(v) => set({ code: v })} />
        {s.run && (
          <Button
            variant="light"
            size="xs"
            rightSection={<Icon name="close" size={12} />}
            onClick={() => set({ run: '' })}
          >
            Run {s.run.slice(0, 18)}…
          </Button>
        )}
      </div>
      {chosen.size > 0 && works && (
        <div className="savebar">
          <Text size="sm">{chosen.size} chosen</Text>
          <Group gap="xs">
            <Button variant="subtle" color="gray" onClick={() => setChosen(new Set())}>
              Clear
            </Button>
            <Button loading={retryChosen.isPending} onClick={() => retryChosen.mutate([...chosen])}>
              Retry these {chosen.size}
            </Button>
          </Group>
        </div>
      )}
      {retryChosen.error != null && <Failure error={retryChosen.error} />}
      {list.isPending ? (
        <Loading what="the log" />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.items.length === 0 ? (
        list.hasNextPage ? (
          <Empty
            title="Nothing that fits in what was looked through so far"
            action={
              <Button loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                Look further back
              </Button>
            }
          >
            A filtered log is looked through page by page.
          </Empty>
        ) : filtered ? (
          <Empty
            title="No entry fits"
            action={
              <Button
                variant="default"
                onClick={() => change(s.connection && !only ? { connection: s.connection } : {})}
              >
                Clear the filters
              </Button>
            }
          >
            The filters leave nothing of the log.
          </Empty>
        ) : (
          <Empty title="The log is empty" icon="log">
            What is created, updated, linked, excluded or fails is written here.
          </Empty>
        )
      ) : (
        <Grid
          label="Log"
          rows={list.items}
          columns={columns}
          keyOf={(e) => e.id}
          open={(e) => set({ entry: e.id })}
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loading={list.isFetchingNextPage}
          selection={works ? { chosen, change: setChosen } : undefined}
        />
      )}
      <Drawer
        opened={!!s.entry}
        onClose={() => set({ entry: '' })}
        position="right"
        size="lg"
        title="Log entry"
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        {s.entry && <Details id={s.entry} close={() => set({ entry: '' })} />}
      </Drawer>
      <Confirm
        opened={asking}
        close={() => setAsking(false)}
        title="Work all failed records again?"
        action="Retry them"
        run={() => retryAll.mutate(undefined)}
        pending={retryAll.isPending}
        error={retryAll.error}
      >
        Every failed entry that the filters let through is worked again under the present settings. Repair the cause
        first; entries that succeed read “resolved”.
      </Confirm>
    </Page>
  );
}

function whatOf(e: Entry) {
  const fields = (e.diffs ?? []).map((d) => d.field);
  return fields.length ? fields.join(', ') : (outcomeWords[e.outcome]?.word ?? '');
}

function Committed({ label, value, set }: { label: string; value: string; set: (v: string) => void }) {
  const [text, setText] = useState(value);
  const commit = () => text.trim() !== value && set(text.trim());
  return (
    <TextInput
      aria-label={label}
      placeholder={label}
      value={text}
      onChange={(e) => setText(e.currentTarget.value)}
      onBlur={commit}
      onKeyDown={(e) => e.key === 'Enter' && commit()}
      w={130}
    />
  );
}

function Details({ id, close }: { id: string; close: () => void }) {
  const works = useMay('works');
  const got = useGet('/v1/log/{id}', { path: { id } });
  const entry = got.data?.data;
  const connection = useConnection(entry?.connection ?? '').data?.data;
  const ends = useEnds(connection);
  const [editing, setEditing] = useState(false);
  const retry = useAction(
    (values: Record<string, string> | undefined, key) =>
      call('post', '/v1/log/{id}/retry', { path: { id }, key, ...(values ? { body: { values } as never } : {}) }),
    {
      say: 'Worked again under the present settings',
      done: close,
    },
  );
  if (got.isPending) return <Loading what="the entry" />;
  if (got.isError || !entry) return <Failure error={got.error} again={() => void got.refetch()} />;
  const failed = entry.outcome === 'failed' && !entry.resolved;
  return (
    <Stack gap="md">
      <Group gap="xs">
        <OutcomeBadge outcome={entry.outcome} />
        {entry.resolved && <Text size="sm">resolved since</Text>}
        {entry.code && <CodeLink code={entry.code} />}
      </Group>
      {entry.code && (
        <Text size="sm" component="div">
          <Remedy code={entry.code} detail={entry.message} />
        </Text>
      )}
      {failed && works && (
        <Group gap="xs">
          <Button
            loading={retry.isPending}
            leftSection={<Icon name="refresh" size={14} />}
            onClick={() => retry.mutate(undefined)}
          >
            Retry
          </Button>
          <Button variant="default" onClick={() => setEditing(!editing)} aria-expanded={editing}>
            Edit and retry
          </Button>
        </Group>
      )}
      {retry.error != null && <Failure error={retry.error} />}
      {editing && (
        <EditRetry
          entry={entry}
          run={(v) => retry.mutate(v)}
          pending={retry.isPending}
          account={
            entry.way ? connection?.[sourceOf(entry.way as Way)].account : connection?.[entry.side as Side].account
          }
          object={
            connection?.syncs?.find((s) => s.id === entry.sync)?.[
              (entry.way ? sourceOf(entry.way as Way) : entry.side) as Side
            ].object
          }
        />
      )}
      <dl className="facts">
        <dt>Time</dt>
        <dd>
          <Moment at={entry.time} />
        </dd>
        <dt>Connection</dt>
        <dd>{connection?.name ?? entry.connection}</dd>
        <dt>Record</dt>
        <dd>
          <Link
            className="link mono"
            to="/connections/$connection/records/$sync/$side/$record"
            params={{ connection: entry.connection, sync: entry.sync, side: entry.side, record: entry.record }}
          >
            {entry.record}
          </Link>{' '}
          in {entry.side === 'left' ? ends.left.name : ends.right.name}
          <InApp page={entry.links[entry.side as Side]} />
        </dd>
        {entry.partner && (
          <>
            <dt>Linked to</dt>
            <dd className="mono">
              {entry.partner} in {other(entry.side as Side) === 'left' ? ends.left.name : ends.right.name}
              <InApp page={entry.links[other(entry.side as Side)]} />
            </dd>
          </>
        )}
        {entry.way && (
          <>
            <dt>Direction</dt>
            <dd>
              {entry.way === 'to_right'
                ? `${ends.left.name} to ${ends.right.name}`
                : `${ends.right.name} to ${ends.left.name}`}
            </dd>
          </>
        )}
        {entry.behavior && (
          <>
            <dt>Behaviour in force</dt>
            <dd>{behaviorWords[entry.behavior] ?? words(entry.behavior)}</dd>
          </>
        )}
        <dt>Run</dt>
        <dd>
          <Link className="link mono" to="/runs/$run" params={{ run: entry.run }}>
            {entry.run}
          </Link>
        </dd>
        <dt>Entry</dt>
        <dd className="mono">{entry.id}</dd>
        {entry.response_status !== undefined && (
          <>
            <dt>Response status</dt>
            <dd>{entry.response_status}</dd>
          </>
        )}
        {entry.api_url && (
          <>
            <dt>API URL</dt>
            <dd className="mono">{entry.api_url}</dd>
          </>
        )}
        {entry.calls?.map(
          (c) =>
            c.request_id && (
              <Fragment key={c.side}>
                <dt>Request ID in {ends[c.side as Side].name}</dt>
                <dd className="mono">{c.request_id}</dd>
              </Fragment>
            ),
        )}
      </dl>
      {!!entry.diffs?.length && (
        <Panel title="Fields">
          <Diffs diffs={entry.diffs} ends={ends} />
        </Panel>
      )}
      <Payload name="Request" text={entry.request} rebuilt={entry.reconstructed} />
      <Payload name="Response" text={entry.response} rebuilt={entry.reconstructed} />
    </Stack>
  );
}

/** InApp leads to a record where people see it in its app. */
function InApp({ page }: { page: string }) {
  if (!page) return null;
  return (
    <>
      {', '}
      <a className="link" href={page} target="_blank" rel="noreferrer">
        open it there
      </a>
    </>
  );
}

function Payload({ name, text, rebuilt }: { name: string; text?: string; rebuilt?: boolean }) {
  if (!text) return null;
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // shown as it is
  }
  return (
    <div>
      <Text size="xs" fw={600} c="var(--soft)" mb={4}>
        {name}, {rebuilt ? 'put together from what was written' : 'secrets left out'}
      </Text>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
      <pre className="payload" tabIndex={0}>
        {shown}
      </pre>
    </div>
  );
}

function EditRetry({
  entry,
  run,
  pending,
  account,
  object,
}: {
  entry: Entry;
  run: (values: Record<string, string>) => void;
  pending: boolean;
  account: string | undefined;
  object: string | undefined;
}) {
  const fields = useFields(account, object);
  const [values, setValues] = useState<Record<string, string>>({});
  const [more, setMore] = useState<string | null>(null);
  const names = Object.keys(values);
  const label = (name: string) => fields.data?.find((f: Field) => f.name === name)?.label ?? name;
  return (
    <Panel title="Values for this try">
      <Stack gap="xs">
        <Text size="sm" c="var(--soft)">
          They are written to the record {entry.record} in its app, as if somebody had corrected them there; then it is
          worked again.
        </Text>
        {names.map((name) => (
          <TextInput
            key={name}
            label={label(name)}
            value={values[name] ?? ''}
            onChange={(e) => {
              const value = e.currentTarget.value;
              setValues((v) => ({ ...v, [name]: value }));
            }}
          />
        ))}
        <Select
          aria-label="Add a field"
          placeholder="Add a field"
          searchable
          data={(fields.data ?? [])
            .filter((f: Field) => !f.read_only && !names.includes(f.name))
            .map((f: Field) => ({ value: f.name, label: `${f.label} (${f.name})` }))}
          value={more}
          onChange={(v) => {
            if (v) setValues((all) => ({ ...all, [v]: '' }));
            setMore(null);
          }}
        />
        <Group justify="flex-end">
          <Button disabled={names.length === 0} loading={pending} onClick={() => run(values)}>
            Retry with these
          </Button>
        </Group>
      </Stack>
    </Panel>
  );
}
