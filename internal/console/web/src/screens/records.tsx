import { Button, Group, Select, TextInput } from '@mantine/core';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { useConnection, useList } from '../api/queries';
import type { RecordView } from '../api/types';
import { states, stateWords } from '../app/words';
import { Empty, Failure, Loading, Moment, StateBadge } from '../ui/basics';
import { type Column, Grid } from '../ui/grid';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';
import { SyncPick, useEnds } from './connection';

export function Records() {
  const { connection: id } = useParams({ from: '/connections/$connection' });
  const search = useSearch({ from: '/connections/$connection/records' });
  const go = useNavigate();
  const connection = useConnection(id).data?.data;
  const ends = useEnds(connection);
  const [text, setText] = useState('');
  // What is looked for may be somebody's e-mail: it stays out of the address.
  const [q, setQ] = useState('');
  const syncs = connection?.syncs ?? [];
  const sync = search.sync ?? syncs[0]?.id ?? '';
  const state = (states as readonly string[]).includes(search.state ?? '') ? search.state : undefined;
  const code = search.code;
  const list = useList(
    '/v1/connections/{id}/syncs/{sync}/records',
    {
      path: { id, sync },
      query: { ...(state ? { state } : {}), ...(code ? { code } : {}), ...(q ? { q } : {}) } as never,
    },
    { enabled: !!sync, every: 20_000 },
  );
  const set = (next: { sync?: string; state?: string; code?: string }) =>
    void go({ to: '/connections/$connection/records', params: { connection: id }, search: { ...search, ...next } });
  const columns: Column<RecordView>[] = [
    { id: 'state', header: 'State', width: '108px', cell: (r) => <StateBadge state={r.state} /> },
    {
      id: 'side',
      header: 'App',
      width: '110px',
      cell: (r) => (
        <span className={r.side === 'left' ? 'side-left' : 'side-right'}>
          {r.side === 'left' ? ends.left.name : ends.right.name}
        </span>
      ),
    },
    { id: 'id', header: 'ID', width: 'minmax(120px, 1fr)', cell: (r) => <span className="id">{r.id}</span> },
    {
      id: 'partner',
      header: 'Linked to',
      width: 'minmax(120px, 1fr)',
      priority: 2,
      cell: (r) => (r.partner ? <span className="id">{r.partner}</span> : <span className="blank">nobody</span>),
    },
    {
      id: 'why',
      header: 'Why',
      width: 'minmax(140px, 2fr)',
      priority: 2,
      cell: (r) => <span title={r.detail}>{r.detail || r.code?.replaceAll('_', ' ') || ''}</span>,
    },
    { id: 'since', header: 'Since', width: '120px', priority: 3, cell: (r) => <Moment at={r.since} relative /> },
  ];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setQ(text.trim());
  };
  return (
    <Page title="Records" name="Records" sub="Everybody that this connection knows, and where they stand">
      <form className="filters" onSubmit={submit}>
        <SyncPick syncs={syncs} value={sync} change={(v) => set({ sync: v })} />
        <Select
          aria-label="State"
          data={[
            { value: '', label: 'Any state' },
            ...states.map((s) => ({ value: s, label: stateWords[s]?.word ?? s })),
          ]}
          value={state ?? ''}
          onChange={(v) => set({ state: v || undefined, code: undefined } as { state?: string })}
          w={150}
        />
        {code && (
          <Button
            variant="light"
            size="xs"
            rightSection={<Icon name="close" size={12} />}
            onClick={() => set({ code: undefined } as { code?: string })}
          >
            {code.replaceAll('_', ' ')}
          </Button>
        )}
        <TextInput
          aria-label="Search records"
          placeholder="Exact ID, e-mail or phone"
          leftSection={<Icon name="search" size={14} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          w={260}
          autoComplete="off"
        />
        <Group gap={6}>
          <Button type="submit" variant="default">
            Search
          </Button>
          {q && (
            <Button
              variant="subtle"
              color="gray"
              onClick={() => {
                setText('');
                setQ('');
              }}
            >
              Clear
            </Button>
          )}
        </Group>
      </form>
      {list.isPending ? (
        <Loading what="records" />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.items.length === 0 && !list.hasNextPage ? (
        q || state || code ? (
          <Empty
            title="No record fits"
            action={
              <Button
                variant="default"
                onClick={() => {
                  setText('');
                  setQ('');
                  set({ state: undefined, code: undefined } as { state?: string });
                }}
              >
                Show all
              </Button>
            }
          >
            {q
              ? 'A search finds a record by its exact ID in either app, or by an identity key such as its e-mail.'
              : 'No record is in this state, or none for this reason.'}
          </Empty>
        ) : (
          <Empty title="No record is known yet">They appear with the first sync or plan.</Empty>
        )
      ) : (
        <Grid
          label="Records"
          rows={list.items}
          columns={columns}
          keyOf={(r) => `${r.side} ${r.id}`}
          open={(r) =>
            void go({
              to: '/connections/$connection/records/$sync/$side/$record',
              params: { connection: id, sync, side: r.side, record: r.id },
            })
          }
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loading={list.isFetchingNextPage}
        />
      )}
    </Page>
  );
}
