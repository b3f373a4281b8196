import { Button, Group, Progress, Stack, Text } from '@mantine/core';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { call } from '../api/client';
import { useAll, useConnection, useGet, useList } from '../api/queries';
import type { PlanView, Run } from '../api/types';
import { number } from '../app/format';
import { useMay } from '../app/session';
import { outcomeWords, runWords } from '../app/words';
import { useAction } from '../ui/action';
import { CodeLink, Empty, Failure, Loading, Moment, Note, Remedy, RunStateBadge } from '../ui/basics';
import { Confirm } from '../ui/dialogs';
import { type Column, Grid } from '../ui/grid';
import { Icon } from '../ui/icons';
import { Page, Panel } from '../ui/page';
import { useEnds } from './connection';

export function AllRuns() {
  return <Runs />;
}

export function ConnectionRuns() {
  const { connection } = useParams({ from: '/connections/$connection' });
  return <Runs only={connection} />;
}

const summary = (run: Run) =>
  Object.entries(run.outcomes ?? {})
    .filter(([, n]) => n > 0)
    .map(([o, n]) => `${number(n)} ${(outcomeWords[o]?.word ?? o).toLowerCase()}`)
    .join(', ');

function Runs({ only }: { only?: string }) {
  const go = useNavigate();
  const list = useList('/v1/runs', { query: (only ? { connection: only } : {}) as never }, { every: 5_000 });
  const connections = useAll('/v1/connections', {}, { enabled: !only });
  const nameOf = new Map((connections.data ?? []).map((c) => [c.id, c.name]));
  const columns: Column<Run>[] = [
    {
      id: 'kind',
      header: 'Run',
      width: 'minmax(110px, 1fr)',
      cell: (r) => (
        <Link className="link" to="/runs/$run" params={{ run: r.id }}>
          {runWords[r.kind] ?? r.kind}
        </Link>
      ),
    },
    { id: 'state', header: 'State', width: '96px', cell: (r) => <RunStateBadge state={r.state} /> },
    ...(only
      ? []
      : [
          {
            id: 'connection',
            header: 'Connection',
            width: 'minmax(120px, 1fr)',
            priority: 2 as const,
            cell: (r: Run) => nameOf.get(r.connection) ?? r.connection,
          },
        ]),
    {
      id: 'outcomes',
      header: 'Outcomes',
      width: 'minmax(140px, 2fr)',
      cell: (r) => summary(r) || <span className="blank">nothing to do</span>,
    },
    {
      id: 'done',
      header: 'Records',
      width: '110px',
      priority: 2,
      cell: (r) => (r.total_known && r.total ? `${number(r.done)} of ${number(r.total)}` : number(r.done)),
    },
    {
      id: 'calls',
      header: 'Calls',
      width: '90px',
      priority: 3,
      cell: (r) => `${number(r.calls.left)} + ${number(r.calls.right)}`,
    },
    { id: 'at', header: 'Began', width: '130px', priority: 2, cell: (r) => <Moment at={r.created_at} /> },
  ];
  return (
    <Page title="Runs" name="Runs" sub="First syncs, pulls, resyncs, plans and retries, newest first">
      {list.isPending ? (
        <Loading what="runs" />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.items.length === 0 ? (
        <Empty title="No run yet" icon="runs">
          The first one begins when a connection is started, or a plan is made.
        </Empty>
      ) : (
        <Grid
          label="Runs"
          rows={list.items}
          columns={columns}
          keyOf={(r) => r.id}
          open={(r) => void go({ to: '/runs/$run', params: { run: r.id } })}
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loading={list.isFetchingNextPage}
        />
      )}
    </Page>
  );
}

const canBeUndone = (run: Run) =>
  run.state !== 'queued' && run.state !== 'running' && !!run.undo_until && Date.parse(run.undo_until) > Date.now();

/** useUndo has a plan made of what takes back what a run changed. */
export function useUndo(done: (plan: PlanView) => unknown) {
  return useAction((run: string, key) => call('post', '/v1/runs/{id}/undo', { path: { id: run }, key }), {
    done: ({ data }) => void done(data),
  });
}

export function RunPage() {
  const { run: id } = useParams({ from: '/runs/$run' });
  const works = useMay('works');
  const query = useGet('/v1/runs/{id}', { path: { id } }, { every: 3_000 });
  const run = query.data?.data;
  const connection = useConnection(run?.connection ?? '').data?.data;
  const ends = useEnds(connection);
  const go = useNavigate();
  const [asking, setAsking] = useState<'cancel' | 'undo'>();
  const cancel = useAction((_: undefined, key) => call('post', '/v1/runs/{id}/cancel', { path: { id }, key }), {
    say: 'Cancelled',
    done: () => setAsking(undefined),
  });
  const undo = useUndo((plan) =>
    go({ to: '/connections/$connection/plan', params: { connection: plan.connection }, search: { plan: plan.id } }),
  );
  if (query.isPending) return <Loading what="the run" />;
  if (query.isError || !run) {
    return (
      <Page title="Run" name="Run">
        <Failure error={query.error} again={() => void query.refetch()} />
      </Page>
    );
  }
  const open = run.state === 'queued' || run.state === 'running';
  const share = run.total_known && run.total ? Math.min(100, (100 * run.done) / run.total) : undefined;
  const failed = run.outcomes?.failed ?? 0;
  return (
    <Page
      title={runWords[run.kind] ?? run.kind}
      name="Run"
      badge={<RunStateBadge state={run.state} />}
      sub={
        connection && (
          <Link className="link" to="/connections/$connection" params={{ connection: run.connection }}>
            {connection.name}
          </Link>
        )
      }
      actions={
        <>
          {run.plan && (
            <Button
              variant="default"
              component={Link}
              to="/connections/$connection/plan"
              params={{ connection: run.connection } as never}
              search={{ plan: run.plan } as never}
            >
              Open its plan
            </Button>
          )}
          {works && open && run.kind !== 'webhook' && (
            <Button variant="default" onClick={() => setAsking('cancel')}>
              Cancel the run
            </Button>
          )}
          {works && canBeUndone(run) && (
            <Button variant="default" leftSection={<Icon name="undo" size={14} />} onClick={() => setAsking('undo')}>
              Undo the run
            </Button>
          )}
        </>
      }
    >
      {open && (
        <Panel>
          <Stack gap={6} role="status" aria-live="polite">
            <Text size="sm">
              {share === undefined
                ? `Scanning: ${number(run.done)} records so far`
                : `${number(run.done)} of ${number(run.total)} records`}
            </Text>
            <Progress value={share ?? 100} animated aria-label="Progress of the run" />
          </Stack>
        </Panel>
      )}
      {run.state === 'failed' && (
        <Note tone="red" title="The run failed">
          <Remedy code={run.code ?? 'other'} detail={run.detail} remedy={run.remedy} /> <CodeLink code={run.code} />
        </Note>
      )}
      {run.state === 'done' && failed > 0 && (
        <Note tone="red" title={`${number(failed)} ${failed === 1 ? 'record was' : 'records were'} not written`}>
          <Link className="link" to="/log" search={{ run: run.id, event: 'failed' }}>
            Open what failed
          </Link>
          : each says why, and can be tried again once the cause is repaired.
        </Note>
      )}
      {(run.waiting ?? []).map((w) => (
        <Note key={`${w.code} ${w.side}`} tone="yellow" title="Waiting">
          <Remedy code={w.code} detail={w.detail} remedy={w.remedy} />
        </Note>
      ))}
      <div className="figures">
        {Object.entries(run.outcomes ?? {})
          .filter(([, n]) => n > 0)
          .map(([o, n]) => (
            <Link
              key={o}
              className={o === 'failed' ? 'figure figure-bad' : 'figure'}
              to="/log"
              search={{ run: run.id, connection: run.connection }}
            >
              <b>{number(n)}</b>
              <span>{outcomeWords[o]?.word ?? o}</span>
            </Link>
          ))}
      </div>
      <Panel title="About it">
        <dl className="facts">
          <dt>Began</dt>
          <dd>
            <Moment at={run.created_at} />
          </dd>
          <dt>Ended</dt>
          <dd>
            {run.ended_at ? (
              <Moment at={run.ended_at} />
            ) : (
              <span className="blank">{open ? 'not yet' : 'with its day'}</span>
            )}
          </dd>
          <dt>Records</dt>
          <dd>{run.total_known && run.total ? `${number(run.done)} of ${number(run.total)}` : number(run.done)}</dd>
          <dt>Calls used</dt>
          <dd>
            {ends.left.name}: {number(run.calls.left)}, {ends.right.name}: {number(run.calls.right)}
          </dd>
          {run.undo_until && (
            <>
              <dt>Can be undone until</dt>
              <dd>
                <Moment at={run.undo_until} />
                {!open && !canBeUndone(run) && ': the log does not hold all of it any more'}
              </dd>
            </>
          )}
          <dt>Run</dt>
          <dd className="mono">{run.id}</dd>
        </dl>
        <Group mt="sm">
          <Link className="link" to="/log" search={{ run: run.id, connection: run.connection }}>
            Its entries in the log
          </Link>
        </Group>
      </Panel>
      <Confirm
        opened={asking === 'cancel'}
        close={() => setAsking(undefined)}
        title="Cancel the run?"
        action="Cancel the run"
        danger
        run={() => cancel.mutate(undefined)}
        pending={cancel.isPending}
        error={cancel.error}
      >
        What it has written stays. What it had not come to is left for the next pull or resync.
      </Confirm>
      <Confirm
        opened={asking === 'undo'}
        close={() => setAsking(undefined)}
        title="Undo what this run did?"
        action="Make the plan"
        run={() => undo.mutate(id)}
        pending={undo.isPending}
        error={undo.error}
      >
        Nothing is written yet. A plan lists what would be put back, record by record and field by field, and what stays
        because somebody edited it since. You look at it, and apply exactly that or leave it.
      </Confirm>
    </Page>
  );
}
