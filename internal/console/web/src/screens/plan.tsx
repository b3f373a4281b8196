import { Button, Group, Select, Stack, Text } from '@mantine/core';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { call, problemOf } from '../api/client';
import { useConnection, useGet, useList } from '../api/queries';
import type { Change, Connection, PlanView, Run } from '../api/types';
import { number, plural } from '../app/format';
import { useMay } from '../app/session';
import { outcomeWords, ruleWords, sentence, undoWords, words } from '../app/words';
import { useAction } from '../ui/action';
import { CodeLink, Empty, Failure, Loading, Moment, Note, OutcomeBadge, RunStateBadge } from '../ui/basics';
import { Confirm, Dialog } from '../ui/dialogs';
import { type Column, Grid } from '../ui/grid';
import { Page, Panel } from '../ui/page';
import { type Ends, SyncPick, useEnds, useSyncChoice } from './connection';
import { Diffs } from './diffs';
import { useUndo } from './runs';

const writing = ['created', 'updated', 'linked', 'deleted'];
// An undo takes links apart, too, which then are excluded.
const undoing = [...writing, 'excluded'];

export function Plan() {
  const { connection: id } = useParams({ from: '/connections/$connection' });
  const search = useSearch({ from: '/connections/$connection/plan' });
  const connection = useConnection(id).data?.data;
  if (!connection) return <Loading what="the plan" />;
  return search.plan ? <OnePlan id={search.plan} connection={connection} /> : <Plans connection={connection} />;
}

function useMakePlan(connection: Connection) {
  const go = useNavigate();
  return useAction(
    (sync: string, key) =>
      call('post', '/v1/connections/{id}/syncs/{sync}/plans', { path: { id: connection.id, sync }, key }),
    {
      done: ({ data }) =>
        void go({
          to: '/connections/$connection/plan',
          params: { connection: connection.id },
          search: { plan: data.id },
        }),
    },
  );
}

function Plans({ connection }: { connection: Connection }) {
  const works = useMay('works');
  const { chosen, choose } = useSyncChoice(connection.syncs);
  const make = useMakePlan(connection);
  const runs = useList('/v1/runs', { query: { connection: connection.id } });
  const earlier = runs.items.filter((r) => r.kind === 'plan' && r.plan).slice(0, 20);
  return (
    <Page
      title="Plan"
      name="Plan"
      sub="A dry run through the very code that also writes, both ways: it writes nothing to either app"
      actions={
        <>
          <SyncPick syncs={connection.syncs ?? []} value={chosen} change={choose} />
          {works && (
            <Button loading={make.isPending} disabled={!chosen} onClick={() => make.mutate(chosen)}>
              Make a plan
            </Button>
          )}
        </>
      }
    >
      {make.error != null && <Failure error={make.error} />}
      {runs.isPending ? (
        <Loading what="plans" />
      ) : runs.isError ? (
        <Failure error={runs.error} again={() => void runs.refetch()} />
      ) : earlier.length === 0 ? (
        <Empty title="No plan yet" icon="log">
          {works
            ? 'A plan lists what would be created, updated, linked and excluded, with old and new values and the rule of each. You can apply exactly that.'
            : 'A member or an admin can make one.'}
        </Empty>
      ) : (
        <Panel title="Earlier plans">
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">Made</th>
                <th scope="col">State</th>
                <th scope="col">Records looked at</th>
              </tr>
            </thead>
            <tbody>
              {earlier.map((r) => (
                <tr key={r.id}>
                  <td>
                    <Link
                      className="link"
                      to="/connections/$connection/plan"
                      params={{ connection: connection.id }}
                      search={{ plan: r.plan ?? '' }}
                    >
                      <Moment at={r.created_at} />
                    </Link>
                  </td>
                  <td>
                    <RunStateBadge state={r.state} />
                  </td>
                  <td>{number(r.done)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Panel>
      )}
    </Page>
  );
}

const open = (state: string) => state === 'queued' || state === 'running';

function OnePlan({ id, connection }: { id: string; connection: Connection }) {
  const works = useMay('works');
  const go = useNavigate();
  const search = useSearch({ from: '/connections/$connection/plan' });
  const ends = useEnds(connection);
  const [every, setEvery] = useState(1_000);
  const plan = useGet('/v1/plans/{id}', { path: { id } }, { every });
  const view = plan.data?.data as PlanView | undefined;
  const making = !view || open(view.state);
  useEffect(() => setEvery(making ? 1_000 : 60_000), [making]);
  const run = useGet('/v1/runs/{id}', { path: { id: view?.run ?? '' } }, { enabled: !!view, every });
  const changes = useList('/v1/plans/{id}/changes', { path: { id } }, { enabled: view?.state === 'done', limit: 200 });
  const [asking, setAsking] = useState(false);
  const [looked, setLooked] = useState<Change>();
  const make = useMakePlan(connection);
  const undoes = view?.undoes;
  const undo = useUndo((plan) =>
    go({ to: '/connections/$connection/plan', params: { connection: connection.id }, search: { plan: plan.id } }),
  );
  const apply = useAction((_: undefined, key) => call('post', '/v1/plans/{id}/apply', { path: { id }, key }), {
    say: 'What the plan lists is being done, and nothing else',
    done: ({ data }) => void go({ to: '/runs/$run', params: { run: (data as Run).id } }),
  });
  const set = (next: Partial<typeof search>) =>
    void go({
      to: '/connections/$connection/plan',
      params: { connection: connection.id },
      search: Object.fromEntries(Object.entries({ ...search, ...next }).filter(([, v]) => v)) as typeof search,
      replace: true,
    });
  if (plan.isError) {
    return (
      <Page title="Plan" name="Plan">
        <Failure error={plan.error} again={() => void plan.refetch()} />
      </Page>
    );
  }
  const totals = view?.totals ?? {};
  const deeds = undoes ? undoing : writing;
  const wordOf = (o: string) => (undoes && undoWords[o]) || (outcomeWords[o]?.word ?? words(o));
  const work = deeds.reduce((n, a) => n + (totals[a] ?? 0), 0);
  const rows = changes.items.filter(
    (c) =>
      (!search.action || c.action === search.action) &&
      (!search.field || (c.diffs ?? []).some((d) => d.field === search.field)) &&
      (!search.rule || (c.diffs ?? []).some((d) => d.rule === search.rule) || c.code === search.rule),
  );
  const fields = [...new Set(changes.items.flatMap((c) => (c.diffs ?? []).map((d) => d.field)))].sort();
  const why = [
    ...new Set(changes.items.flatMap((c) => [...(c.diffs ?? []).map((d) => d.rule), ...(c.code ? [c.code] : [])])),
  ].sort();
  const columns: Column<Change>[] = [
    { id: 'action', header: 'Action', width: '96px', cell: (c) => <OutcomeBadge outcome={c.action} undo={!!undoes} /> },
    {
      id: 'record',
      header: 'Record',
      width: 'minmax(120px, 1fr)',
      cell: (c) => (
        <>
          <span className={c.side === 'left' ? 'side-left' : 'side-right'}>
            {c.side === 'left' ? ends.left.name : ends.right.name}
          </span>{' '}
          <span className="id">{c.record}</span>
        </>
      ),
    },
    {
      id: 'partner',
      header: 'With',
      width: 'minmax(100px, 0.800fr)',
      priority: 3,
      cell: (c) => <span className="id">{c.partner ?? ''}</span>,
    },
    {
      id: 'what',
      header: 'What',
      width: 'minmax(160px, 3fr)',
      cell: (c) => (c.diffs?.length ? c.diffs.map((d) => d.field).join(', ') : c.reason || words(c.code)),
    },
    { id: 'n', header: 'Fields', width: '64px', priority: 2, cell: (c) => number(c.diffs?.length ?? 0) },
  ];
  const waiting = run.data?.data as Run | undefined;
  return (
    <Page
      title={undoes ? 'Plan of an undo' : 'Plan'}
      name="Plan"
      sub={
        view ? (
          <>
            {undoes && (
              <>
                Takes back{' '}
                <Link className="link" to="/runs/$run" params={{ run: undoes }}>
                  what one run did
                </Link>
                ,{' '}
              </>
            )}
            made <Moment at={view.created_at} />; it writes nothing to either app
          </>
        ) : undefined
      }
      badge={view && <RunStateBadge state={view.state} />}
      actions={
        works && (
          <>
            <Button
              variant="default"
              loading={make.isPending || undo.isPending}
              onClick={() => view && (undoes ? undo.mutate(undoes) : make.mutate(view.sync))}
            >
              Make it again
            </Button>
            <Button disabled={making || work === 0} onClick={() => setAsking(true)}>
              Apply exactly this
            </Button>
          </>
        )
      }
    >
      {(make.error ?? undo.error) != null && <Failure error={make.error ?? undo.error} />}
      {making ? (
        <Loading what={`the plan: ${number(waiting?.done)} records looked at so far; both apps are read`} />
      ) : (
        <>
          {view.state !== 'done' && (
            <Note tone="red" title={`The plan ${view.state}`}>
              {waiting?.detail || 'It could not be finished.'}
            </Note>
          )}
          <div className="figures">
            {Object.keys(outcomeWords)
              .filter((o) => (totals[o] ?? 0) > 0)
              .map((o) => (
                <button
                  key={o}
                  type="button"
                  className="figure"
                  style={{ textAlign: 'left', font: 'inherit', cursor: 'pointer' }}
                  aria-pressed={search.action === o}
                  onClick={() => set({ action: search.action === o ? '' : o })}
                >
                  <b>{number(totals[o])}</b>
                  <span>{wordOf(o)}</span>
                </button>
              ))}
            <span className="figure">
              <b>{number((waiting?.calls.left ?? 0) + (waiting?.calls.right ?? 0))}</b>
              <span>calls to make the plan</span>
            </span>
          </div>
          {work === 0 && view.state === 'done' && (
            <Note tone="blue">
              {undoes
                ? 'Nothing would be put back: the run changed nothing, or all of it was changed again since.'
                : 'Nothing would be written: both apps are in step under the present settings.'}
            </Note>
          )}
          {(view.held ?? []).length > 0 && (
            <Note tone="yellow" title="Held parts take no part in it">
              {(view.held ?? []).map((h) => `${h.kind} ${h.id}: ${h.remedy}`).join('; ')}
            </Note>
          )}
          <div className="filters">
            <Select
              aria-label="Action"
              data={[
                { value: '', label: 'Every action' },
                ...Object.keys(totals).map((o) => ({ value: o, label: wordOf(o) })),
              ]}
              value={search.action ?? ''}
              onChange={(v) => set({ action: v ?? '' })}
              w={150}
            />
            <Select
              aria-label="Field"
              searchable
              data={[{ value: '', label: 'Every field' }, ...fields.map((f) => ({ value: f, label: f }))]}
              value={search.field ?? ''}
              onChange={(v) => set({ field: v ?? '' })}
              w={170}
            />
            <Select
              aria-label="Rule or reason"
              searchable
              data={[
                { value: '', label: 'Every rule and reason' },
                ...why.map((r) => ({ value: r, label: sentence(ruleWords[r] ?? words(r)) })),
              ]}
              value={search.rule ?? ''}
              onChange={(v) => set({ rule: v ?? '' })}
              w={260}
            />
            {changes.hasNextPage && (
              <Button
                variant="default"
                loading={changes.isFetchingNextPage}
                onClick={() => void changes.fetchNextPage()}
              >
                Load more: {number(changes.items.length)} loaded
              </Button>
            )}
          </div>
          {changes.isPending ? (
            <Loading what="changes" />
          ) : changes.isError ? (
            <Failure error={changes.error} again={() => void changes.refetch()} />
          ) : rows.length === 0 ? (
            changes.items.length === 0 ? (
              <Empty title="The plan lists nothing" icon="check" />
            ) : (
              <Empty
                title="No change fits the filters"
                action={
                  <Button variant="default" onClick={() => set({ action: '', field: '', rule: '' })}>
                    Clear the filters
                  </Button>
                }
              />
            )
          ) : (
            <Grid
              label="Changes"
              rows={rows}
              columns={columns}
              keyOf={(c) => `${c.side} ${c.record} ${c.action}`}
              open={setLooked}
              more={changes.hasNextPage ? () => void changes.fetchNextPage() : undefined}
              loading={changes.isFetchingNextPage}
            />
          )}
        </>
      )}
      <Dialog opened={!!looked} close={() => setLooked(undefined)} title="What would happen" size="lg">
        {looked && (
          <ChangeDetails change={looked} ends={ends} connection={connection} sync={view?.sync ?? ''} undo={!!undoes} />
        )}
      </Dialog>
      <Confirm
        opened={asking}
        close={() => setAsking(false)}
        title="Apply exactly this plan?"
        action="Apply it"
        run={() => apply.mutate(undefined)}
        pending={apply.isPending}
        error={apply.error}
      >
        <Stack gap="xs">
          <span>
            {sentence(
              deeds
                .filter((a) => totals[a])
                .map((a) =>
                  plural(totals[a] ?? 0, `record ${wordOf(a).toLowerCase()}`, `records ${wordOf(a).toLowerCase()}`),
                )
                .join(', '),
            )}
            : that is done and nothing else.
          </span>
          <span>
            Each change looks once more whether both records are still as the plan saw them; one that is not is left
            alone and listed as stale.
          </span>
          {apply.error != null && problemOf(apply.error).code === 'plan_expired' && (
            <span>Make the plan again: it is too old.</span>
          )}
        </Stack>
      </Confirm>
    </Page>
  );
}

function ChangeDetails({
  change,
  ends,
  connection,
  sync,
  undo,
}: {
  change: Change;
  ends: Ends;
  connection: Connection;
  sync: string;
  undo: boolean;
}) {
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <OutcomeBadge outcome={change.action} undo={undo} />
        <CodeLink code={change.code} />
        {change.reason && <Text size="sm">{sentence(change.reason)}</Text>}
      </Group>
      <dl className="facts">
        <dt>Record</dt>
        <dd>
          <Link
            className="link mono"
            to="/connections/$connection/records/$sync/$side/$record"
            params={{ connection: connection.id, sync, side: change.side, record: change.record }}
          >
            {change.record}
          </Link>{' '}
          in {change.side === 'left' ? ends.left.name : ends.right.name}
        </dd>
        {change.partner && (
          <>
            <dt>With</dt>
            <dd className="mono">{change.partner}</dd>
          </>
        )}
      </dl>
      <Diffs diffs={change.diffs} ends={ends} />
      {(change.kept ?? []).length > 0 && (
        <>
          <Text size="sm">Stays as it is:</Text>
          <ul className="problem-items">
            {(change.kept ?? []).map((k) => (
              <li key={`${k.side} ${k.field}`}>
                <span className={k.side === 'left' ? 'side-left' : 'side-right'}>
                  {k.side === 'left' ? ends.left.name : ends.right.name} · {k.field}
                </span>
                : {k.reason}
              </li>
            ))}
          </ul>
        </>
      )}
      {(change.settled ?? []).length > 0 && (
        <Text size="sm">Left different: {(change.settled ?? []).map((s) => s.mapping).join(', ')}</Text>
      )}
    </Stack>
  );
}
