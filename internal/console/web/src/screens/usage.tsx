import { Select } from '@mantine/core';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import type { Schema } from '../api/client';
import { useList } from '../api/queries';
import { number } from '../app/format';
import { Empty, Failure, Loading } from '../ui/basics';
import { type Column, Grid } from '../ui/grid';
import { Page } from '../ui/page';

type Month = Schema<'Usage'>;

/** months are the last twelve, in UTC as the API counts them, newest first. */
function months(now: Date) {
  return Array.from({ length: 12 }, (_, n) => {
    const first = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - n, 1));
    return {
      value: first.toISOString().slice(0, 7),
      label: first.toLocaleDateString('en', { month: 'long', year: 'numeric', timeZone: 'UTC' }),
    };
  });
}

const outcome = (id: string, header: string): Column<Month> => ({
  id,
  header,
  width: '90px',
  priority: 3,
  cell: (m) => number(m.outcomes?.[id] ?? 0),
});

export function Usage() {
  const go = useNavigate();
  const all = months(new Date());
  const { month = all[0]?.value } = useSearch({ from: '/usage' });
  const list = useList('/v1/usage', { query: { month } });
  const columns: Column<Month>[] = [
    {
      id: 'name',
      header: 'Connection',
      width: 'minmax(140px, 2fr)',
      cell: (m) => (
        <Link className="link" to="/connections/$connection" params={{ connection: m.connection }}>
          {m.name}
        </Link>
      ),
    },
    { id: 'actions', header: 'Actions', width: '90px', cell: (m) => number(m.actions) },
    outcome('created', 'Created'),
    outcome('updated', 'Updated'),
    outcome('linked', 'Linked'),
    outcome('deleted', 'Deleted'),
    {
      id: 'records',
      header: 'Records now',
      width: 'minmax(130px, 1fr)',
      priority: 2,
      cell: (m) => `${number(m.records.left)} left, ${number(m.records.right)} right`,
    },
  ];
  return (
    <Page
      title="Usage"
      name="Usage"
      sub="Records that were created, updated, linked or deleted; what failed or was left out does not count"
    >
      <div className="filters">
        <Select
          aria-label="Month"
          data={all}
          value={month ?? null}
          allowDeselect={false}
          onChange={(v) => void go({ to: '/usage', search: v && v !== all[0]?.value ? { month: v } : {} })}
          w={200}
        />
      </div>
      {list.isPending ? (
        <Loading what="the usage" />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.items.length === 0 ? (
        <Empty title="There is no connection" icon="connections" />
      ) : (
        <Grid
          label="Usage"
          rows={list.items}
          columns={columns}
          keyOf={(m) => m.connection}
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loading={list.isFetchingNextPage}
        />
      )}
    </Page>
  );
}
