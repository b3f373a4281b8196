import { Button, Group, Progress, SegmentedControl, Stack, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { Fragment, useEffect, useState } from 'react';
import { call } from '../api/client';
import { useConnection, useGet } from '../api/queries';
import type { Connection, Run, Sync, SyncStatus } from '../api/types';
import { sides } from '../api/types';
import { number, percent, plural } from '../app/format';
import { useMay } from '../app/session';
import { outcomeWords, runWords, sentence, settledWords, states, stateWords } from '../app/words';
import { useAction } from '../ui/action';
import { CodeLink, Empty, Failure, Loading, Moment, Note, Remedy, RunStateBadge } from '../ui/basics';
import { Confirm } from '../ui/dialogs';
import { Icon } from '../ui/icons';
import { Page, Panel } from '../ui/page';
import { useEnds, useStatus } from './connection';
import { Repair } from './held';
import { type Halt, haltWords, type Trouble, troublesOf } from './trouble';

type Span = 'today' | 'last_7_days' | 'last_30_days';
const spans: { value: Span; label: string }[] = [
  { value: 'today', label: 'Today' },
  { value: 'last_7_days', label: '7 days' },
  { value: 'last_30_days', label: '30 days' },
];
const counted = ['updated', 'created', 'linked', 'excluded', 'duplicate', 'conflict', 'failed', 'deleted'];
const eventOf: Record<string, 'new' | 'updated' | 'failed'> = { created: 'new', updated: 'updated', failed: 'failed' };

export function Status() {
  const { connection: id } = useParams({ from: '/connections/$connection' });
  const connection = useConnection(id).data?.data;
  const status = useStatus(id, 5_000);
  if (status.isPending || !connection) return <Loading what="the status" />;
  if (status.isError) return <Failure error={status.error} again={() => void status.refetch()} />;
  const troubles = troublesOf(status.data.data);
  const draft = connection.status === 'draft';
  return (
    <Page title="Status" name={`Status of ${connection.name}`}>
      {draft && (
        <Note tone="gray" title="This connection is a draft">
          Nothing is read or written yet.{' '}
          <Link className="link" to="/new/$connection/$step" params={{ connection: id, step: 'review' }}>
            Go on with its set-up
          </Link>
          .
        </Note>
      )}
      {troubles.length > 0 ? (
        <Panel title={`Needs attention: ${troubles.length}`}>
          <Stack gap="sm">
            {troubles.map((t) => (
              <TroubleCard key={t.key} trouble={t} connection={connection} />
            ))}
          </Stack>
        </Panel>
      ) : (
        !draft &&
        connection.enabled &&
        connection.status === 'active' && <Calm connection={connection} syncs={status.data.data.syncs} />
      )}
      {status.data.data.webhooks.map((w) => (
        <Note key={w.side} tone="yellow" title={`Deliveries of the ${w.side} app were refused`}>
          <ul className="problem-items">
            {w.refused.map((r) => (
              <li key={r.code}>
                {plural(r.count, 'delivery', 'deliveries')}, last <Moment at={r.last} relative />: {r.meaning}. What to
                do: {r.remedy}.
              </li>
            ))}
          </ul>
        </Note>
      ))}
      {status.data.data.syncs.length === 0 && (
        <Empty title="No record type is synced yet">Choose what is kept in step in the set-up.</Empty>
      )}
      {status.data.data.syncs.map((s) => (
        <SyncPanel key={s.sync} connection={connection} status={s} />
      ))}
    </Page>
  );
}

/** Calm is said only when it is so: nothing fails, nothing waits for a person. */
function Calm({ connection, syncs }: { connection: Connection; syncs: SyncStatus[] }) {
  const count = (state: string) =>
    syncs.reduce((n, s) => n + sides.reduce((m, side) => m + (s.states[side]?.[state] ?? 0), 0), 0);
  const failing = count('failing');
  // A conflict stands on both sides of its pair.
  const conflicts = Math.max(...sides.map((side) => syncs.reduce((n, s) => n + (s.states[side]?.conflict ?? 0), 0)), 0);
  const duplicates = count('duplicate');
  if (failing > 0) {
    return (
      <Note tone="red" title={`${plural(failing, 'record')} cannot be written`}>
        Open the failing records below: each says why and what to do.
      </Note>
    );
  }
  if (conflicts + duplicates > 0) {
    const what = [conflicts > 0 && plural(conflicts, 'conflict'), duplicates > 0 && plural(duplicates, 'duplicate')]
      .filter(Boolean)
      .join(' and ');
    return (
      <Note tone="yellow">
        Nothing fails. {what} wait for a person:{' '}
        <Link
          className="link"
          to="/connections/$connection/conflicts"
          params={{ connection: connection.id }}
          search={{ kind: conflicts > 0 ? 'conflict' : 'duplicate' }}
        >
          decide now
        </Link>
        .
      </Note>
    );
  }
  return <Note tone="blue">Nothing fails and nothing waits for a person.</Note>;
}

function TroubleCard({ trouble: t, connection }: { trouble: Trouble; connection: Connection }) {
  const admin = useMay('admins');
  const [asking, setAsking] = useState<'confirm' | 'discard'>();
  const path = { id: connection.id, sync: t.sync };
  const sync = connection.syncs?.find((s) => s.id === t.sync);
  const decide = useAction(
    async (verdict: 'confirm' | 'discard', key) => {
      if (t.halt?.kind === 'changes') {
        const where = { ...path, mapping: t.halt.mapping };
        return verdict === 'confirm'
          ? call('post', '/v1/connections/{id}/syncs/{sync}/mappings/{mapping}/changes/confirm', { path: where, key })
          : call('post', '/v1/connections/{id}/syncs/{sync}/mappings/{mapping}/changes/discard', { path: where, key });
      }
      return verdict === 'confirm'
        ? call('post', '/v1/connections/{id}/syncs/{sync}/deletions/confirm', { path, key })
        : call('post', '/v1/connections/{id}/syncs/{sync}/deletions/discard', { path, key });
    },
    { say: 'Decided', done: () => setAsking(undefined) },
  );
  return (
    <Note tone={t.tone} title={t.title}>
      <Remedy code={t.code} detail={t.detail} remedy={t.remedy} />
      <Text size="xs" c="var(--soft)" mt={2}>
        {t.since && (
          <>
            since <Moment at={t.since} relative />
          </>
        )}
        {t.until && (
          <>
            {' · '}tried again <Moment at={t.until} relative />
          </>
        )}
        {t.records ? ` · ${plural(t.records, 'record')} wait` : ''}
      </Text>
      <Group gap="xs" mt={6}>
        {t.halt && admin && (
          <>
            <Button size="compact-xs" color="red" onClick={() => setAsking('confirm')}>
              Let it through
            </Button>
            <Button size="compact-xs" variant="default" onClick={() => setAsking('discard')}>
              Forget it
            </Button>
          </>
        )}
        {t.code === 'dead_letter' && (
          <Button
            size="compact-xs"
            variant="default"
            component={Link}
            to="/dead"
            search={{ connection: connection.id } as never}
          >
            Open dead items
          </Button>
        )}
        {t.account && (
          <Button size="compact-xs" variant="default" component={Link} to="/accounts">
            Open the account
          </Button>
        )}
      </Group>
      {t.held && <Repair held={t.held} connection={connection} sync={sync} />}
      <Confirm
        opened={!!asking}
        close={() => setAsking(undefined)}
        title={asking === 'confirm' ? 'Let it through?' : 'Forget it?'}
        action={asking === 'confirm' ? 'Let it through' : 'Forget it'}
        danger={asking === 'confirm'}
        run={() => asking && decide.mutate(asking)}
        pending={decide.isPending}
        error={decide.error}
      >
        {t.halt && <HaltText halt={t.halt} verdict={asking ?? 'confirm'} connection={connection} sync={sync} />}
      </Confirm>
    </Note>
  );
}

/** HaltText says what either answer to a guard's question would do, and to how many. */
function HaltText({
  halt,
  verdict,
  connection,
  sync,
}: {
  halt: Halt;
  verdict: 'confirm' | 'discard';
  connection: Connection;
  sync: Sync | undefined;
}) {
  const ends = useEnds(connection);
  const open = (
    <Link
      className="link"
      to="/connections/$connection/records"
      params={{ connection: connection.id }}
      search={{ ...(sync ? { sync: sync.id } : {}), state: 'waiting' }}
    >
      Open the records that wait
    </Link>
  );
  return (
    <Stack gap="xs">
      <span>{sentence(haltWords(halt, verdict, sync, { left: ends.left.name, right: ends.right.name }))}.</span>
      {halt.kind === 'changes' && <span>{open}.</span>}
    </Stack>
  );
}

/** reasonsOf groups the records of both sides that are not in step by state and code, the most frequent first. */
function reasonsOf(s: SyncStatus): [(typeof states)[number], [string, number][]][] {
  return states.flatMap((state): [(typeof states)[number], [string, number][]][] => {
    const all = new Map<string, number>();
    for (const side of sides) {
      for (const [code, n] of Object.entries(s.reasons[side]?.[state] ?? {})) all.set(code, (all.get(code) ?? 0) + n);
    }
    const codes = [...all].sort((a, b) => b[1] - a[1]);
    return codes.length > 0 ? [[state, codes]] : [];
  });
}

function SyncPanel({ connection, status: s }: { connection: Connection; status: SyncStatus }) {
  const works = useMay('works');
  const ends = useEnds(connection);
  const sync = connection.syncs?.find((x) => x.id === s.sync);
  const [span, setSpan] = useState<Span>('today');
  const path = { id: connection.id, sync: s.sync };
  const pull = useAction((_: undefined, key) => call('post', '/v1/connections/{id}/syncs/{sync}/pull', { path, key }), {
    say: 'Pulling changes',
  });
  const [asking, setAsking] = useState(false);
  const resync = useAction(
    (_: undefined, key) => call('post', '/v1/connections/{id}/syncs/{sync}/resync', { path, key }),
    {
      say: 'Comparing all records',
      done: () => setAsking(false),
    },
  );
  const on = connection.enabled && connection.status === 'active';
  const outcome = s.outcomes?.[span] ?? {};
  return (
    <Panel
      title={sync ? `${sync.left.object} ↔ ${sync.right.object}` : s.sync}
      actions={
        works && (
          <>
            <Button
              variant="default"
              leftSection={<Icon name="refresh" size={14} />}
              disabled={!on}
              loading={pull.isPending}
              onClick={() => pull.mutate(undefined)}
            >
              Pull now
            </Button>
            <Button variant="default" disabled={!on} onClick={() => setAsking(true)}>
              Resync all
            </Button>
          </>
        )
      }
    >
      <Stack gap="md">
        {(pull.error ?? (asking ? null : resync.error)) != null && <Failure error={pull.error ?? resync.error} />}
        {s.open_run && <LiveRun id={s.open_run} next={s.next_run} connection={connection} />}
        <div className="columns">
          <div>
            <Text size="xs" fw={600} c="var(--soft)" mb={6}>
              Current activity
            </Text>
            <dl className="facts">
              <dt>Last pull</dt>
              <dd>
                <Moment at={s.latest_pull} />
              </dd>
              <dt>Next pull</dt>
              <dd>
                {s.next_pull ? (
                  <Moment at={s.next_pull} />
                ) : (
                  <span className="blank">{on ? 'manual only' : 'none while off'}</span>
                )}
              </dd>
              <dt>Waiting to be looked at</dt>
              <dd>{number(s.backlog + s.inbox)}</dd>
              <dt>Parked for a later try</dt>
              <dd>{number(s.parked)}</dd>
              <dt>Equality</dt>
              <dd>
                {s.equality ? (
                  <>
                    {percent(s.equality.share ?? 0)} of {number((s.equality.last_round ?? s.equality.round).looked)}{' '}
                    pairs equal, looked at <Moment at={s.equality.looked_at} relative />
                  </>
                ) : (
                  <span className="blank">not looked at yet</span>
                )}
              </dd>
              {reasonsOf(s).map(([state, codes]) => (
                <Fragment key={state}>
                  <dt>Why {(stateWords[state]?.word ?? state).toLowerCase()}</dt>
                  <dd>
                    {codes.map(([code, n]) => (
                      <div key={code}>
                        <Link
                          className="link"
                          to="/connections/$connection/records"
                          params={{ connection: connection.id }}
                          search={{ sync: s.sync, state, code }}
                        >
                          {plural(n, 'record')}
                        </Link>
                        : <CodeLink code={code} />
                      </div>
                    ))}
                  </dd>
                </Fragment>
              ))}
              {s.settled.links > 0 && (
                <>
                  <dt>Left different</dt>
                  <dd>
                    {plural(s.settled.links, 'pair')}:{' '}
                    {Object.entries(s.settled.reasons ?? {})
                      .map(([reason, n]) => `${number(n)} ${settledWords[reason] ?? reason}`)
                      .join(', ')}
                  </dd>
                </>
              )}
            </dl>
          </div>
          <div>
            <Text size="xs" fw={600} c="var(--soft)" mb={6}>
              Where records stand
            </Text>
            <table className="plain">
              <thead>
                <tr>
                  <th scope="col">State</th>
                  <th scope="col">
                    <span className="side-left">{ends.left.name}</span>
                  </th>
                  <th scope="col">
                    <span className="side-right">{ends.right.name}</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {states.map((state) => (
                  <tr key={state}>
                    <td>
                      <Link
                        className="link"
                        to="/connections/$connection/records"
                        params={{ connection: connection.id }}
                        search={{ sync: s.sync, state }}
                        title={stateWords[state]?.means}
                      >
                        {stateWords[state]?.word}
                      </Link>
                    </td>
                    <td>{number(s.states.left?.[state])}</td>
                    <td>{number(s.states.right?.[state])}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </div>
        <div>
          <Group justify="space-between" mb={8}>
            <Text size="xs" fw={600} c="var(--soft)">
              Last outcome: what was done and confirmed
            </Text>
            <SegmentedControl
              size="xs"
              data={spans}
              value={span}
              onChange={(v) => setSpan(v as Span)}
              aria-label="Time span"
            />
          </Group>
          <div className="figures">
            {counted.map((o) => (
              <Link
                key={o}
                className={o === 'failed' && (outcome[o] ?? 0) > 0 ? 'figure figure-bad' : 'figure'}
                to="/connections/$connection/log"
                params={{ connection: connection.id }}
                search={{
                  sync: s.sync,
                  ...(eventOf[o] ? { event: eventOf[o] } : {}),
                  ...(span === 'last_30_days' ? {} : { range: span }),
                }}
              >
                <b>{number(outcome[o])}</b>
                <span>{outcomeWords[o]?.word}</span>
              </Link>
            ))}
          </div>
        </div>
        <Budgets connection={connection} />
      </Stack>
      <Confirm
        opened={asking}
        close={() => setAsking(false)}
        title="Compare all records again?"
        action="Resync all"
        run={() => resync.mutate(undefined)}
        pending={resync.isPending}
        error={resync.error}
      >
        Both apps are read to their end and brought into step under the present settings. Rules and “fill blanks only”
        still hold, nobody is made twice, and pressing it during a run changes nothing. To see first what it would
        write, make a plan.
      </Confirm>
    </Panel>
  );
}

/** LiveRun follows a run by its events, and by asking where those do not come through. */
function LiveRun({ id, next, connection }: { id: string; next?: string; connection: Connection }) {
  const client = useQueryClient();
  const [live, setLive] = useState<Run>();
  const run = useGet('/v1/runs/{id}', { path: { id } }, { every: 3_000 });
  useEffect(() => {
    const events = new EventSource(`/v1/runs/${encodeURIComponent(id)}/events`);
    const take = (event: MessageEvent<string>) => {
      const next = JSON.parse(event.data) as Run;
      setLive(next);
      if (next.state !== 'queued' && next.state !== 'running') {
        events.close();
        void client.invalidateQueries({ queryKey: ['/v1/connections/{id}/status', { id: connection.id }] });
      }
    };
    for (const name of ['message', 'run', 'progress', 'done']) events.addEventListener(name, take as EventListener);
    events.onerror = () => events.close(); // asking goes on
    return () => events.close();
  }, [id, client, connection.id]);
  const now = live ?? run.data?.data;
  if (!now) return null;
  const share = now.total_known && now.total ? Math.min(100, (100 * now.done) / now.total) : undefined;
  return (
    <div role="status" aria-live="polite">
      <Group justify="space-between" mb={4}>
        <Text size="sm" fw={500}>
          <Link className="link" to="/runs/$run" params={{ run: now.id }}>
            {runWords[now.kind] ?? now.kind}
          </Link>{' '}
          {share === undefined
            ? `scanning: ${number(now.done)} records so far`
            : `${number(now.done)} of ${number(now.total)} records`}
          {next && `; then: ${runWords[next] ?? next}`}
        </Text>
        <RunStateBadge state={now.state} />
      </Group>
      <Progress value={share ?? 100} animated={now.state === 'running'} aria-label="Progress of the run" />
    </div>
  );
}

function Budgets({ connection }: { connection: Connection }) {
  const ends = useEnds(connection);
  const rows = sides.map((side) => ({ side, ...ends[side] })).filter((e) => e.account && e.account.status !== 'ok');
  if (rows.length === 0) return null;
  return (
    <Stack gap="xs">
      {rows.map((e) => (
        <Note key={e.side} tone="red" title={`${e.name}: ${e.account?.status.replaceAll('_', ' ')}`}>
          <Link className="link" to="/accounts">
            Open the account
          </Link>{' '}
          to authorise it again.
        </Note>
      ))}
    </Stack>
  );
}
