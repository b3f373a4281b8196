import { Button, Select, Switch, TextInput } from '@mantine/core';
import { useQueries } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { call } from '../api/client';
import { retry, useAccounts, useList } from '../api/queries';
import type { Connection } from '../api/types';
import { plural } from '../app/format';
import { useMay } from '../app/session';
import { statusWords } from '../app/words';
import { useAction } from '../ui/action';
import { AppMark, Empty, Failure, Loading, Moment, StatusBadge, useAppName } from '../ui/basics';
import { type Column, Grid } from '../ui/grid';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';
import { troublesOf } from './trouble';

export function Connections() {
  const admin = useMay('admins');
  const go = useNavigate();
  const { status } = useSearch({ from: '/connections' });
  const [text, setText] = useState('');
  const list = useList('/v1/connections', {}, { every: 15_000 });
  const accounts = useAccounts();
  const nameOf = useAppName();
  const appOf = useMemo(() => new Map((accounts.data ?? []).map((a) => [a.id, a])), [accounts.data]);
  const wanted = text.trim().toLowerCase();
  const rows = list.items.filter((c) => {
    const apps = [appOf.get(c.left.account), appOf.get(c.right.account)];
    const words = [c.name, c.description, c.id, ...apps.flatMap((a) => [a?.name ?? '', nameOf(a?.app)])]
      .join(' ')
      .toLowerCase();
    return (!status || c.status === status) && words.includes(wanted);
  });

  // The status of what is seen at the top; a long list does not ask for each.
  const asked = rows.slice(0, 30);
  const stands = useQueries({
    queries: asked.map((c) => ({
      queryKey: ['/v1/connections/{id}/status', { id: c.id }, {}],
      queryFn: () => call('get', '/v1/connections/{id}/status', { path: { id: c.id } }),
      refetchInterval: 20_000,
      retry,
    })),
  });
  const statusOf = new Map(asked.map((c, i) => [c.id, stands[i]?.data?.data]));

  const toggle = useAction(
    async ({ id, enabled }: { id: string; enabled: boolean }) => {
      const now = await call('get', '/v1/connections/{id}', { path: { id } });
      return call('patch', '/v1/connections/{id}', { path: { id }, ifMatch: now.etag, body: { enabled } as never });
    },
    {
      say: (r) =>
        (r.data as Connection).enabled ? 'On: directions are as they were' : 'Off: nothing is read or written',
    },
  );

  const columns: Column<Connection>[] = [
    {
      id: 'enabled',
      header: 'On',
      width: '52px',
      cell: (c) => (
        <Switch
          size="xs"
          aria-label={`${c.name}: ${c.enabled ? 'on' : 'off'}`}
          checked={c.enabled}
          disabled={!admin || c.status === 'deleting'}
          onChange={(e) => toggle.mutate({ id: c.id, enabled: e.currentTarget.checked })}
        />
      ),
    },
    {
      id: 'name',
      header: 'Connection',
      width: 'minmax(140px, 2fr)',
      cell: (c) => (
        <Link
          className="link"
          {...(c.status === 'draft' && admin
            ? { to: '/new/$connection/$step', params: { connection: c.id, step: 'object' } }
            : { to: '/connections/$connection', params: { connection: c.id } })}
        >
          {c.name}
        </Link>
      ),
    },
    {
      id: 'apps',
      header: 'Apps',
      width: 'minmax(190px, 1.6fr)',
      priority: 2,
      cell: (c) => {
        const left = appOf.get(c.left.account);
        const right = appOf.get(c.right.account);
        return (
          <span className="pair">
            <AppMark app={left?.app ?? ''} size={18} />
            <span>{nameOf(left?.app)}</span>
            <Icon name="both" />
            <AppMark app={right?.app ?? ''} size={18} />
            <span>{nameOf(right?.app)}</span>
          </span>
        );
      },
    },
    {
      id: 'status',
      header: 'Status',
      width: '140px',
      cell: (c) => <StatusBadge status={c.status} enabled={c.enabled} />,
    },
    {
      id: 'last',
      header: 'Last pull',
      width: '120px',
      priority: 3,
      cell: (c) => <Moment at={latest(statusOf.get(c.id)?.syncs.map((s) => s.latest_pull))} relative />,
    },
    {
      id: 'next',
      header: 'Next pull',
      width: '120px',
      priority: 3,
      cell: (c) => <Moment at={earliest(statusOf.get(c.id)?.syncs.map((s) => s.next_pull))} relative />,
    },
    {
      id: 'warnings',
      header: 'Needs you',
      width: '110px',
      priority: 2,
      cell: (c) => {
        const n = troublesOf(statusOf.get(c.id)).length;
        return n > 0 ? (
          <Link className="link" to="/connections/$connection" params={{ connection: c.id }}>
            <Icon name="warn" size={14} /> {plural(n, 'thing')}
          </Link>
        ) : (
          <span className="blank">{statusOf.get(c.id) ? 'nothing' : '–'}</span>
        );
      },
    },
  ];

  return (
    <Page
      title="Connections"
      name="Connections"
      sub="Two accounts each, and everything that is kept in step between them"
      actions={
        admin && (
          <Button component={Link} to="/new" leftSection={<Icon name="plus" size={14} />}>
            New connection
          </Button>
        )
      }
    >
      <div className="filters">
        <TextInput
          aria-label="Search connections"
          placeholder="Search by name, app or account"
          leftSection={<Icon name="search" size={14} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          w={280}
        />
        <Select
          aria-label="Status"
          data={[
            { value: '', label: 'Any status' },
            ...Object.entries(statusWords).map(([value, w]) => ({ value, label: w.word })),
          ]}
          value={status ?? ''}
          onChange={(v) => void go({ to: '/connections', search: v ? { status: v } : {} })}
          w={180}
        />
      </div>
      {toggle.error != null && <Failure error={toggle.error} />}
      {list.isPending ? (
        <Loading what="connections" />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.items.length === 0 ? (
        <Empty
          title="No connection yet"
          icon="connections"
          action={
            admin && (
              <Button component={Link} to="/new">
                Make the first one
              </Button>
            )
          }
        >
          {admin
            ? 'Eight short steps; nothing is read or written before you start it.'
            : 'An admin makes connections; you see those that you have access to.'}
        </Empty>
      ) : rows.length === 0 ? (
        <Empty
          title="No connection fits"
          action={
            <Button
              variant="default"
              onClick={() => {
                setText('');
                void go({ to: '/connections', search: {} });
              }}
            >
              Show all {list.items.length}
            </Button>
          }
        >
          {list.items.length} connections are here; the search or the status leaves none of them.
        </Empty>
      ) : (
        <Grid
          label="Connections"
          rows={rows}
          columns={columns}
          keyOf={(c) => c.id}
          dim={(c) => !c.enabled}
          open={(c) =>
            c.status === 'draft' && admin
              ? void go({ to: '/new/$connection/$step', params: { connection: c.id, step: 'object' } })
              : void go({ to: '/connections/$connection', params: { connection: c.id } })
          }
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loading={list.isFetchingNextPage}
        />
      )}
    </Page>
  );
}

const set = (all: (string | undefined)[] | undefined) => (all ?? []).filter((t): t is string => !!t).sort();
const latest = (all: (string | undefined)[] | undefined) => set(all).at(-1);
const earliest = (all: (string | undefined)[] | undefined) => set(all)[0];
