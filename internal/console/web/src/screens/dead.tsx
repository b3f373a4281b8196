import { Button, Select } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { call, type Schema } from '../api/client';
import { useAll, useList } from '../api/queries';
import { plural } from '../app/format';
import { useAction } from '../ui/action';
import { CodeLink, Empty, Failure, Loading, Moment } from '../ui/basics';
import { Confirm } from '../ui/dialogs';
import { type Column, Grid } from '../ui/grid';
import { Page } from '../ui/page';

type Item = Schema<'DeadItem'>;

export function Dead() {
  const { connection } = useSearch({ from: '/dead' });
  const go = useNavigate();
  const query = { ...(connection ? { connection } : {}) };
  const list = useList('/v1/dead-letters', { query: query as never }, { every: 20_000 });
  const connections = useAll('/v1/connections');
  const [asking, setAsking] = useState(false);
  const send = useAction(
    (_: undefined, key) => call('post', '/v1/dead-letters/redrive', { query: query as never, key }),
    {
      say: ({ data }) => `${plural(data.sent, 'item')} sent again`,
      done: () => setAsking(false),
    },
  );
  const nameOf = new Map((connections.data ?? []).map((c) => [c.id, c.name]));
  const columns: Column<Item>[] = [
    {
      id: 'code',
      header: 'Reason',
      width: 'minmax(140px, 2fr)',
      cell: (d) => (
        <>
          <CodeLink code={d.code} /> {d.reason}
        </>
      ),
    },
    {
      id: 'connection',
      header: 'Connection',
      width: 'minmax(120px, 1fr)',
      priority: 2,
      cell: (d) => nameOf.get(d.connection) ?? d.connection,
    },
    { id: 'records', header: 'Records', width: '80px', cell: (d) => (d.records ?? []).length },
    { id: 'tries', header: 'Tries', width: '70px', priority: 3, cell: (d) => d.receives },
    { id: 'since', header: 'Since', width: '130px', priority: 2, cell: (d) => <Moment at={d.since} /> },
  ];
  return (
    <Page
      title="Dead items"
      name="Dead items"
      sub="Work that came ten times in vain and was given up until somebody looks"
      actions={
        <Button disabled={list.items.length === 0} onClick={() => setAsking(true)}>
          Send again
        </Button>
      }
    >
      <div className="filters">
        <Select
          aria-label="Connection"
          data={[
            { value: '', label: 'All connections' },
            ...(connections.data ?? []).map((c) => ({ value: c.id, label: c.name })),
          ]}
          value={connection ?? ''}
          onChange={(v) => void go({ to: '/dead', search: v ? { connection: v } : {} })}
          w={220}
        />
      </div>
      {list.isPending ? (
        <Loading what="dead items" />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.items.length === 0 ? (
        <Empty title="There are no dead items" icon="check">
          Whatever could not be done yet is tried again by itself.
        </Empty>
      ) : (
        <Grid
          label="Dead items"
          rows={list.items}
          columns={columns}
          keyOf={(d) => d.id}
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loading={list.isFetchingNextPage}
        />
      )}
      <Confirm
        opened={asking}
        close={() => setAsking(false)}
        title="Send them again?"
        action="Send again"
        run={() => send.mutate(undefined)}
        pending={send.isPending}
        error={send.error}
      >
        {connection ? 'All dead items of this connection' : 'All dead items'} are worked again under the present
        settings. Repair the causes first.
      </Confirm>
    </Page>
  );
}
