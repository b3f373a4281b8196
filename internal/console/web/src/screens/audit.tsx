import { Stack, Text } from '@mantine/core';
import { useState } from 'react';
import type { Schema } from '../api/client';
import { useList } from '../api/queries';
import { number } from '../app/format';
import { Empty, Failure, Loading, Moment } from '../ui/basics';
import { Dialog } from '../ui/dialogs';
import { type Column, Grid } from '../ui/grid';
import { Page } from '../ui/page';

type Entry = Schema<'AuditEntry'>;
const shown = (v: unknown) => (v === null || v === undefined ? '–' : typeof v === 'string' ? v : JSON.stringify(v));

export function Audit() {
  const list = useList('/v1/audit');
  const [looked, setLooked] = useState<Entry>();
  const columns: Column<Entry>[] = [
    { id: 'time', header: 'When', width: '130px', cell: (e) => <Moment at={e.time} /> },
    { id: 'actor', header: 'Who', width: 'minmax(110px, 1fr)', cell: (e) => e.actor.email || e.actor.name },
    {
      id: 'action',
      header: 'What',
      width: 'minmax(130px, 1fr)',
      cell: (e) => (
        <>
          {e.action.replace('.', ': ')}
          {e.failed && ' (failed)'}
        </>
      ),
    },
    {
      id: 'target',
      header: 'On',
      width: 'minmax(120px, 1.500fr)',
      priority: 2,
      cell: (e) => <span className="id">{e.target}</span>,
    },
    {
      id: 'n',
      header: 'Changes',
      width: '80px',
      priority: 3,
      cell: (e) => number((e.changes?.length ?? 0) + (e.more ?? 0)),
    },
  ];
  return (
    <Page
      title="Audit"
      name="Audit"
      sub="Who changed which setting, newest first; values of secrets are left out, addresses shortened"
    >
      {list.isPending ? (
        <Loading what="the audit trail" />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.items.length === 0 ? (
        <Empty title="Nothing was changed yet" icon="audit" />
      ) : (
        <Grid
          label="Audit"
          rows={list.items}
          columns={columns}
          keyOf={(e) => e.id}
          open={setLooked}
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loading={list.isFetchingNextPage}
        />
      )}
      <Dialog
        opened={!!looked}
        close={() => setLooked(undefined)}
        title={looked?.action.replace('.', ': ') ?? ''}
        size="xl"
      >
        {looked && (
          <Stack gap="sm">
            <dl className="facts">
              <dt>When</dt>
              <dd>
                <Moment at={looked.time} />
              </dd>
              <dt>Who</dt>
              <dd>
                {looked.actor.email || looked.actor.name} ({looked.actor.role}), key {looked.actor.key}
              </dd>
              <dt>On</dt>
              <dd className="mono">{looked.target}</dd>
              <dt>Request</dt>
              <dd className="mono">{looked.request_id}</dd>
              {looked.comment && (
                <>
                  <dt>Note</dt>
                  <dd>{looked.comment}</dd>
                </>
              )}
            </dl>
            {(looked.changes ?? []).length > 0 && (
              <div className="scroll-x">
                <table className="plain">
                  <thead>
                    <tr>
                      <th scope="col">Setting</th>
                      <th scope="col">Before</th>
                      <th scope="col">After</th>
                    </tr>
                  </thead>
                  <tbody>
                    {(looked.changes ?? []).map((c) => (
                      <tr key={c.pointer}>
                        <td className="mono">{c.pointer}</td>
                        <td>{shown(c.before)}</td>
                        <td>{shown(c.after)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )}
            {(looked.more ?? 0) > 0 && <Text size="sm">and {number(looked.more)} more</Text>}
          </Stack>
        )}
      </Dialog>
    </Page>
  );
}
