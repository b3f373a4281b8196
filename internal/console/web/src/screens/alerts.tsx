import { Badge, Button, SegmentedControl, Stack } from '@mantine/core';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import type { Schema } from '../api/client';
import { useList } from '../api/queries';
import { number } from '../app/format';
import { sentence } from '../app/words';
import { CodeLink, Empty, Failure, Loading, Moment } from '../ui/basics';
import { Dialog } from '../ui/dialogs';
import { type Column, Grid } from '../ui/grid';
import { Page } from '../ui/page';

type Alert = Schema<'Alert'>;

/** Alerts says what is or was wrong: since when, what follows from it, and the one thing to do. */
export function Alerts() {
  const { state } = useSearch({ from: '/alerts' });
  const go = useNavigate();
  const now = state ?? 'open';
  const list = useList(
    '/v1/alerts',
    { query: { ...(now === 'all' ? {} : { state: now }) } as never },
    { every: 15_000 },
  );
  const [looked, setLooked] = useState<Alert>();
  const columns: Column<Alert>[] = [
    {
      id: 'state',
      header: 'State',
      width: '92px',
      cell: (a) => <Badge color={a.state === 'open' ? 'red' : 'teal'}>{a.state === 'open' ? 'Open' : 'Over'}</Badge>,
    },
    { id: 'summary', header: 'What', width: 'minmax(160px, 3fr)', cell: (a) => sentence(a.summary) },
    {
      id: 'connection',
      header: 'Connection',
      width: 'minmax(120px, 1.2fr)',
      priority: 2,
      cell: (a) => (
        <Link className="link" to="/connections/$connection" params={{ connection: a.connection }}>
          {a.connection_name}
        </Link>
      ),
    },
    { id: 'count', header: 'Count', width: '80px', priority: 3, cell: (a) => number(a.count) },
    { id: 'since', header: 'Since', width: '130px', priority: 2, cell: (a) => <Moment at={a.since} /> },
  ];
  return (
    <Page
      title="Alerts"
      name="Alerts"
      sub="What is or was wrong with connections, once for each change of state; an alert ends by itself"
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Which alerts"
          data={[
            { value: 'open', label: 'Open' },
            { value: 'resolved', label: 'Over' },
            { value: 'all', label: 'All' },
          ]}
          value={now}
          onChange={(v) => void go({ to: '/alerts', search: v === 'open' ? {} : { state: v as 'all' } })}
        />
      }
    >
      {list.isPending ? (
        <Loading what="alerts" />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.items.length === 0 ? (
        now === 'open' ? (
          <Empty title="No alert is open" icon="check">
            When a connection needs a person it says so here, and tells whom its settings name.
          </Empty>
        ) : (
          <Empty
            title="No alert of this kind"
            action={
              <Button variant="default" onClick={() => void go({ to: '/alerts', search: {} })}>
                Show the open ones
              </Button>
            }
          />
        )
      ) : (
        <Grid
          label="Alerts"
          rows={list.items}
          columns={columns}
          keyOf={(a) => a.id}
          open={setLooked}
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loading={list.isFetchingNextPage}
        />
      )}
      <Dialog opened={!!looked} close={() => setLooked(undefined)} title={sentence(looked?.summary ?? '')} size="lg">
        {looked && <Details alert={looked} />}
      </Dialog>
    </Page>
  );
}

function Details({ alert: a }: { alert: Alert }) {
  return (
    <Stack gap="sm">
      <dl className="facts">
        <dt>What follows</dt>
        <dd>{sentence(a.consequence)}</dd>
        <dt>What to do</dt>
        <dd>{sentence(a.action)}</dd>
        <dt>Connection</dt>
        <dd>
          <Link className="link" to="/connections/$connection" params={{ connection: a.connection }}>
            {a.connection_name}
          </Link>
          {a.sync && `, ${a.sync}`}
        </dd>
        <dt>Since</dt>
        <dd>
          <Moment at={a.since} />
        </dd>
        {a.until && (
          <>
            <dt>Over</dt>
            <dd>
              <Moment at={a.until} />
            </dd>
          </>
        )}
        <dt>Count</dt>
        <dd>
          {number(a.count)}
          {a.of ? ` of ${number(a.of)}` : ''}
        </dd>
        {a.code && (
          <>
            <dt>Code</dt>
            <dd>
              <CodeLink code={a.code} />
            </dd>
          </>
        )}
        <dt>Messages</dt>
        <dd>
          {a.deliveries.length === 0 ? (
            <span className="blank">nobody was to be told</span>
          ) : (
            number(a.deliveries.length)
          )}
        </dd>
      </dl>
    </Stack>
  );
}
