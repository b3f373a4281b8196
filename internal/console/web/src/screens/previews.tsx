import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Schema } from '../api/client';
import { useAsk, useGet, useList } from '../api/queries';
import { type Connection, type Mapping, type Side, type Sync, sides, sourceOf, type Way } from '../api/types';
import { number } from '../app/figures';
import { same } from '../app/merge';
import { difference, letThrough } from '../app/preview';
import { useMay } from '../app/session';
import { operatorWords, ruleWords, words } from '../app/words';
import { CodeLink, Failure, Loading, OutcomeBadge, Remedy, Shown } from '../ui/basics';
import { Dialog } from '../ui/dialogs';
import { Icon } from '../ui/icons';
import { Panel } from '../ui/page';
import type { Ends } from './connection';
import { PlanFigures, useReadiness } from './readiness';
import { MappingName, MatchTried } from './record';

// What rules, mappings and match steps would do with records that are really
// there. Rules and mappings need not be saved for that.

/** How long nobody types before the apps are asked. */
const quiet = 600;

/** useRulesPreview counts what edited rules let through, beside what the saved ones do. */
export function useRulesPreview(connection: Connection, sync: Sync, saved: Sync | undefined) {
  const works = useMay('works');
  const [rules] = useDebouncedValue(sync.rules ?? [], quiet);
  const path = { id: connection.id, sync: sync.id } as never;
  const changed = !same(rules, saved?.rules ?? []);
  const now = useAsk(
    '/v1/connections/{id}/syncs/{sync}/rules/preview',
    { path, body: { rules } as never },
    { enabled: works && !!saved },
  );
  const before = useAsk(
    '/v1/connections/{id}/syncs/{sync}/rules/preview',
    { path, body: { rules: saved?.rules ?? [] } as never },
    { enabled: works && !!saved && changed },
  );
  return { now, before: changed ? before.data?.data : undefined, works: works && !!saved };
}

type Asked = ReturnType<typeof useRulesPreview>;

/** LetThrough stands under the rules of a way: how many they let through, and some of each kind. */
export function LetThrough({ asked, way, ends }: { asked: Asked; way: Way; ends: Ends }) {
  const [shown, setShown] = useState(false);
  if (!asked.works) return null;
  if (asked.now.isError) {
    return (
      <Failure
        error={asked.now.error}
        title="What the rules let through could not be counted"
        again={() => void asked.now.refetch()}
      />
    );
  }
  if (asked.now.isPending) return <Loading what="what the rules let through" />;
  const { sample } = asked.now.data.data;
  const got = asked.now.data.data[way];
  const from = sourceOf(way);
  const more = difference(got.passes, asked.before?.[way].passes);
  return (
    <Stack gap={6} aria-busy={asked.now.isFetching}>
      <Group gap="xs">
        <Text size="sm" role="status">
          <Icon name="search" size={13} /> Of {ends[from].name}: <b>{letThrough(got, sample, from)}</b>
          {more && `, ${more}`}
          {!got.open && '; the direction of the sync closes this way all the same'}
        </Text>
        {got.passing.length + got.failing.length > 0 && (
          <Button size="compact-xs" variant="subtle" aria-expanded={shown} onClick={() => setShown(!shown)}>
            {shown ? 'Hide examples' : 'Show examples'}
          </Button>
        )}
      </Group>
      {shown && (
        <div className="columns">
          <Examples title="Let through" some={got.passing.slice(0, 3)} />
          <Examples title="Kept out" some={got.failing.slice(0, 3)} />
        </div>
      )}
    </Stack>
  );
}

function Examples({ title, some }: { title: string; some: Schema<'PreviewRecord'>[] }) {
  return (
    <div>
      <Text size="xs" fw={600} c="var(--soft)">
        {title}
      </Text>
      {some.length === 0 ? (
        <Text size="sm" c="var(--soft)">
          nobody
        </Text>
      ) : (
        <ul className="problem-items">
          {some.map((r) => (
            <li key={r.id}>
              <span className={`mono side-${r.side}`}>{r.id}</span>{' '}
              {Object.entries(r.fields ?? {}).map(([name, value]) => (
                <span key={name} title={name}>
                  <Shown value={value as never} />{' '}
                </span>
              ))}
              {r.clauses
                .filter((c) => !c.holds)
                .map((c) => (
                  <span key={`${c.rule} ${c.field} ${c.op}`} className="blank">
                    {' '}
                    {c.rule}: {c.field} {operatorWords[c.op] ?? words(c.op)} {c.wanted !== null && String(c.wanted)}{' '}
                    does not hold
                  </span>
                ))}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** MappingsPreview shows what some records would become by mappings that need not be saved. */
export function MappingsPreview({
  connection,
  sync,
  ends,
  record,
}: {
  connection: Connection;
  sync: Sync;
  ends: Ends;
  /** A record of the left app to look at; "" = some that are there. */
  record: string;
}) {
  const works = useMay('works');
  const [opened, setOpened] = useState(false);
  if (!works) return null;
  return (
    <>
      <Button variant="default" onClick={() => setOpened(true)}>
        Preview
      </Button>
      <Dialog opened={opened} close={() => setOpened(false)} title="What real records would become" size="xl">
        {opened && <Previewed connection={connection} sync={sync} ends={ends} record={record} />}
      </Dialog>
    </>
  );
}

function Previewed({
  connection,
  sync,
  ends,
  record,
}: {
  connection: Connection;
  sync: Sync;
  ends: Ends;
  record: string;
}) {
  const mappings = sync.mappings ?? [];
  const got = useAsk('/v1/connections/{id}/syncs/{sync}/mappings/preview', {
    path: { id: connection.id, sync: sync.id } as never,
    body: { mappings, ...(record ? { records: [{ side: 'left', id: record }] } : {}) } as never,
  });
  if (got.isPending) return <Loading what="records of both apps" />;
  if (got.isError) return <Failure error={got.error} again={() => void got.refetch()} />;
  const records = got.data.data.records;
  const by = new Map(mappings.map((m) => [m.id, m]));
  return (
    <Stack gap="md" aria-busy={got.isFetching}>
      <Text size="sm" c="var(--soft)">
        By the mappings as they are on the screen, saved or not. Nothing is written. Both apps were asked{' '}
        {number(got.data.data.sample.calls.left + got.data.data.sample.calls.right)} times.
      </Text>
      {records.length === 0 && <Text size="sm">No record is there to try them on.</Text>}
      {records.map((r) => (
        <Panel
          key={`${r.side} ${r.id}`}
          title={
            <>
              <span className={`mono side-${r.side}`}>{r.id}</span> of {ends[r.side as Side].name}{' '}
              <OutcomeBadge outcome={r.outcome} />
            </>
          }
        >
          {r.code && <Remedy code={r.code} detail={r.detail} />}
          <div className="scroll-x">
            <table className="plain">
              <thead>
                <tr>
                  <th scope="col">Field</th>
                  <th scope="col">
                    <span className="side-left">{ends.left.name}</span>
                  </th>
                  <th scope="col">
                    <span className="side-right">{ends.right.name}</span>
                  </th>
                  <th scope="col">Would become</th>
                  <th scope="col">Why</th>
                </tr>
              </thead>
              <tbody>
                {r.fields.map((f) => {
                  const mapping = by.get(f.mapping) as Mapping | undefined;
                  const writes = r.writes.filter((w) => w.mapping === f.mapping);
                  return (
                    <tr key={f.mapping}>
                      <td>{mapping ? <MappingName mapping={mapping} /> : f.mapping}</td>
                      <td>
                        <Shown value={f.left as never} />
                      </td>
                      <td>
                        <Shown value={f.right as never} />
                      </td>
                      <td>
                        {writes.length === 0 ? (
                          <span className="blank">as it is</span>
                        ) : (
                          writes.map((w) => (
                            <div key={`${w.side} ${w.field}`}>
                              <span className={`side-${w.side}`}>{w.field}</span>{' '}
                              <span className="after">
                                <Shown value={w.after as never} />
                              </span>
                            </div>
                          ))
                        )}
                      </td>
                      <td>
                        {ruleWords[f.rule] ?? words(f.rule)}
                        {f.detail && `; ${f.detail}`} <CodeLink code={f.code} />
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        </Panel>
      ))}
    </Stack>
  );
}

/** MatchPreview says what the saved steps found: of all records by the latest plan, and of one by its ID. */
export function MatchPreview({ connection, sync, dirty }: { connection: Connection; sync: Sync; dirty: boolean }) {
  const [text, setText] = useState('');
  const [wanted, setWanted] = useState('');
  const ready = useReadiness(connection.id);
  const works = useMay('works');
  const figures = ready.data?.data.records.find((r) => r.sync === sync.id);
  return (
    <Panel title="What the steps find">
      <Stack gap="sm">
        {dirty && (
          <Text size="sm" c="var(--soft)">
            Of the steps as they are saved: save first to see what changes.
          </Text>
        )}
        {ready.isPending ? (
          <Loading what="what the latest plan found" />
        ) : ready.isError ? (
          <Failure error={ready.error} again={() => void ready.refetch()} />
        ) : figures ? (
          <Text size="sm" component="div">
            <PlanFigures figures={figures} connection={connection} />
          </Text>
        ) : (
          <Text size="sm" c="var(--soft)">
            {works
              ? 'No plan was made yet: it tries the steps on every record and writes nothing. '
              : 'No plan was made yet.'}
            {works && (
              <Link className="link" to="/connections/$connection/plan" params={{ connection: connection.id }}>
                Make one
              </Link>
            )}
          </Text>
        )}
        <Group gap="xs" align="flex-end">
          <TextInput
            label="Try one record"
            description="Its ID in either app, or its e-mail address"
            value={text}
            onChange={(e) => setText(e.currentTarget.value)}
            onKeyDown={(e) => e.key === 'Enter' && setWanted(text.trim())}
            w={280}
          />
          <Button variant="default" disabled={!text.trim()} onClick={() => setWanted(text.trim())}>
            Try
          </Button>
        </Group>
        {wanted && <Tried connection={connection} sync={sync} wanted={wanted} />}
      </Stack>
    </Panel>
  );
}

function Tried({ connection, sync, wanted }: { connection: Connection; sync: Sync; wanted: string }) {
  const path = { id: connection.id, sync: sync.id };
  const list = useList('/v1/connections/{id}/syncs/{sync}/records', {
    path,
    query: { q: wanted } as never,
  });
  const record = list.items[0];
  const why = useGet(
    '/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/explain',
    { path: { ...path, side: record?.side ?? sides[0], record: record?.id ?? '' } as never },
    { enabled: !!record },
  );
  if (list.isPending) return <Loading what="the record" />;
  if (list.isError) return <Failure error={list.error} again={() => void list.refetch()} />;
  if (!record) return <Text size="sm">No record of this ID or address is known.</Text>;
  if (why.isPending) return <Loading what="what each step finds" />;
  if (why.isError) return <Failure error={why.error} again={() => void why.refetch()} />;
  return (
    <Stack gap={4} role="status">
      <Text size="sm">
        <Link
          className="link mono"
          to="/connections/$connection/records/$sync/$side/$record"
          params={{ connection: connection.id, sync: sync.id, side: record.side, record: record.id }}
        >
          {record.id}
        </Link>
        {record.partner ? `, linked to ${record.partner}` : ', linked to nobody'}:
      </Text>
      <MatchTried match={why.data.data.match ?? []} />
    </Stack>
  );
}
