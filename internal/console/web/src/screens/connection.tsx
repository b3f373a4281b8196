import { Button, Select, Switch } from '@mantine/core';
import { Link, Outlet, useNavigate, useParams, useRouterState } from '@tanstack/react-router';
import { useState } from 'react';
import { call } from '../api/client';
import { useAccounts, useConnection, useGet } from '../api/queries';
import type { Connection, Sync, SyncStatus } from '../api/types';
import { useMay } from '../app/session';
import { useAction } from '../ui/action';
import { AppMark, Failure, Loading, Note, StatusBadge, useAppName } from '../ui/basics';
import { Confirm } from '../ui/dialogs';
import { Icon } from '../ui/icons';
import { troublesOf } from './trouble';

/** useEnds names both apps and accounts of a connection. */
export function useEnds(connection: Connection | undefined) {
  const accounts = useAccounts();
  const nameOf = useAppName();
  const end = (id: string | undefined) => {
    const account = accounts.data?.find((a) => a.id === id);
    return { account, app: account?.app ?? '', name: nameOf(account?.app) || id || '' };
  };
  return { left: end(connection?.left.account), right: end(connection?.right.account) };
}

export type Ends = ReturnType<typeof useEnds>;

export function useStatus(id: string, every = 10_000) {
  return useGet('/v1/connections/{id}/status', { path: { id } }, { every });
}

type Counts = Record<string, number>;

const sumOf = (syncs: SyncStatus[], count: (left: Counts, right: Counts) => number) =>
  syncs.reduce((n, s) => n + count(s.states.left ?? {}, s.states.right ?? {}), 0);

const tabs = [
  { to: '/connections/$connection', label: 'Status', exact: true },
  { to: '/connections/$connection/records', label: 'Records' },
  { to: '/connections/$connection/conflicts', label: 'Conflicts and duplicates' },
  { to: '/connections/$connection/log', label: 'Log' },
  { to: '/connections/$connection/plan', label: 'Plan' },
  { to: '/connections/$connection/runs', label: 'Runs' },
  { to: '/connections/$connection/rules', label: 'Rules' },
  { to: '/connections/$connection/match', label: 'Match' },
  { to: '/connections/$connection/mappings', label: 'Mappings' },
  { to: '/connections/$connection/settings', label: 'Settings' },
  { to: '/connections/$connection/danger', label: 'Danger' },
] as const;

/** ConnectionFrame stands over each screen of a connection and says which one it is. */
export function ConnectionFrame() {
  const { connection: id } = useParams({ from: '/connections/$connection' });
  const admin = useMay('admins');
  const query = useConnection(id);
  const status = useStatus(id);
  const connection = query.data?.data;
  const ends = useEnds(connection);
  if (query.isPending) return <Loading what="the connection" />;
  if (query.isError || !connection) return <Failure error={query.error} again={() => void query.refetch()} />;
  // A pair in conflict is one decision, and counted on both sides.
  const syncs = status.data?.data.syncs ?? [];
  const conflicts = sumOf(syncs, (left, right) => Math.max(left.conflict ?? 0, right.conflict ?? 0));
  const duplicates = sumOf(syncs, (left, right) => (left.duplicate ?? 0) + (right.duplicate ?? 0));
  const troubles = troublesOf(status.data?.data).length;
  const counts: Record<string, number> = { Status: troubles, 'Conflicts and duplicates': conflicts + duplicates };
  return (
    <div className="page">
      <div className="page-head">
        <span className="pair">
          <AppMark app={ends.left.app} size={20} />
          <span className="side-left">{ends.left.name}</span>
          <Icon name="both" />
          <AppMark app={ends.right.app} size={20} />
          <span className="side-right">{ends.right.name}</span>
          <b style={{ marginLeft: 6 }}>{connection.name}</b>
          <StatusBadge status={connection.status} enabled={connection.enabled} />
        </span>
        {admin && connection.status !== 'deleting' && (
          <Controls connection={connection} etag={query.data?.etag ?? ''} />
        )}
      </div>
      <nav aria-label="Of this connection">
        <ul className="tabs">
          {tabs
            .filter((t) => t.label !== 'Danger' || admin)
            .map((t) => (
              <li key={t.to}>
                <Link
                  to={t.to}
                  params={{ connection: id }}
                  search={
                    t.label === 'Conflicts and duplicates' && !conflicts && duplicates ? { kind: 'duplicate' } : {}
                  }
                  className="tab"
                  activeProps={{ 'aria-current': 'page' }}
                  activeOptions={{ exact: 'exact' in t, includeSearch: false }}
                >
                  {t.label}
                  {(counts[t.label] ?? 0) > 0 && <span className="count count-bad">{counts[t.label]}</span>}
                </Link>
              </li>
            ))}
        </ul>
      </nav>
      <Outlet />
    </div>
  );
}

function Controls({ connection, etag }: { connection: Connection; etag: string }) {
  const [asking, setAsking] = useState(false);
  const go = useNavigate();
  const path = { id: connection.id };
  const toggle = useAction(
    (enabled: boolean) => call('patch', '/v1/connections/{id}', { path, ifMatch: etag, body: { enabled } as never }),
    {
      say: (r) =>
        (r.data as Connection).enabled ? 'On: directions are as they were' : 'Off: nothing is read or written',
    },
  );
  const pause = useAction((_: undefined, key) => call('post', '/v1/connections/{id}/pause', { path, key }), {
    say: 'Paused: links and settings stay, changes are caught up later',
  });
  const start = useAction((_: undefined, key) => call('post', '/v1/connections/{id}/start', { path, key }), {
    say: 'Started',
    done: () => {
      setAsking(false);
      void go({ to: '/connections/$connection', params: { connection: connection.id } });
    },
  });
  const running =
    connection.status === 'active' || connection.status === 'halted' || connection.status === 'needs_authorization';
  return (
    <>
      <span className="pair">
        <Switch
          size="xs"
          label={connection.enabled ? 'On' : 'Off'}
          checked={connection.enabled}
          onChange={(e) => toggle.mutate(e.currentTarget.checked)}
        />
        <Button
          component={Link}
          to="/connections/$connection/settings"
          params={{ connection: connection.id } as never}
          variant="default"
          leftSection={<Icon name="settings" size={14} />}
        >
          Configuration
        </Button>
        {running ? (
          <Button
            variant="default"
            leftSection={<Icon name="pause" size={14} />}
            loading={pause.isPending}
            onClick={() => pause.mutate(undefined)}
          >
            Pause
          </Button>
        ) : (
          <Button
            leftSection={<Icon name="play" size={14} />}
            loading={start.isPending}
            onClick={() => (connection.status === 'draft' ? setAsking(true) : start.mutate(undefined))}
          >
            {connection.status === 'draft' ? 'Start syncing' : 'Resume'}
          </Button>
        )}
      </span>
      {(toggle.error ?? pause.error ?? (asking ? null : start.error)) != null && (
        <Failure error={toggle.error ?? pause.error ?? start.error} />
      )}
      <StartDialog opened={asking} close={() => setAsking(false)} connection={connection} start={start} />
    </>
  );
}

/** StartDialog repeats the warnings before the first write; cancelling keeps every edit. */
export function StartDialog({
  opened,
  close,
  connection,
  start,
}: {
  opened: boolean;
  close: () => void;
  connection: Connection;
  start: { mutate: (input: undefined) => void; isPending: boolean; error: unknown };
}) {
  const ends = useEnds(connection);
  return (
    <Confirm
      opened={opened}
      close={close}
      title="Start syncing now?"
      action="Start syncing"
      run={() => start.mutate(undefined)}
      pending={start.isPending}
      error={start.error}
    >
      <p style={{ marginTop: 0 }}>
        <b>
          {ends.left.name} and {ends.right.name} are about to be written.
        </b>{' '}
        The first sync reads both apps whole and brings them into step by the rules, matches and mappings of this
        connection.
      </p>
      <Note tone="yellow" title="For a smooth start">
        <ul className="problem-items">
          <li>Look at the plan first: it lists each change with old and new value and writes nothing.</li>
          <li>Start when nobody imports or edits in bulk in either app.</li>
          <li>Where both sides differ, the conflict setting decides; make sure that it names the cleaner app.</li>
          <li>Keep a backup or an export of both apps.</li>
        </ul>
      </Note>
    </Confirm>
  );
}

/** SyncPick chooses among a connection's syncs; with one there is nothing to choose. */
export function SyncPick({ syncs, value, change }: { syncs: Sync[]; value: string; change: (sync: string) => void }) {
  if (syncs.length < 2) return null;
  return (
    <Select
      aria-label="Sync"
      data={syncs.map((s) => ({ value: s.id, label: `${s.left.object} ↔ ${s.right.object}` }))}
      value={value}
      onChange={(v) => v && change(v)}
      w={220}
    />
  );
}

/** useSyncChoice keeps the choice among syncs, the first one to begin with. */
export function useSyncChoice(syncs: Sync[] | null | undefined) {
  const [chosen, setChosen] = useState('');
  const sync = syncs?.find((s) => s.id === chosen) ?? syncs?.[0];
  return { sync, chosen: sync?.id ?? '', choose: setChosen };
}

export const usePath = () => useRouterState({ select: (s) => s.location.pathname });
