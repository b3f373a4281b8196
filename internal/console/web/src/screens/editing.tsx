import { useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useFields } from '../api/queries';
import type { Connection, Field, Sync } from '../api/types';
import { type Document, SaveBar, useDocument, WithDocument } from '../app/document';
import { useMay } from '../app/session';
import { Empty, Loading } from '../ui/basics';
import { Page } from '../ui/page';
import { type Ends, SyncPick, useEnds, useSyncChoice } from './connection';

export interface Editing {
  connection: Connection;
  sync: Sync;
  change: (next: (now: Sync) => Sync) => void;
  ends: Ends;
  fields: { left: Field[]; right: Field[] };
  /** Reads the fields of both apps again. */
  refresh: () => void;
  busy: boolean;
  may: boolean;
}

/** savedSync is a sync as it was saved last. */
export const savedSync = (doc: Document, sync: Sync) => doc.seen?.document.syncs?.find((s) => s.id === sync.id);

export function useBothFields(connection: Connection | undefined, sync: Sync | undefined) {
  const left = useFields(connection?.left.account, sync?.left.object);
  const right = useFields(connection?.right.account, sync?.right.object);
  return {
    fields: { left: (left.data ?? []) as Field[], right: (right.data ?? []) as Field[] },
    busy: left.isFetching || right.isFetching,
    error: left.error ?? right.error,
    refresh: () => void Promise.all([left.refetch(), right.refetch()]),
  };
}

/** EditPage is a screen that edits one sync of a running connection. */
export function EditPage({
  title,
  sub,
  actions,
  children,
}: {
  title: string;
  sub?: ReactNode;
  actions?: ReactNode;
  children: (editing: Editing, doc: Document) => ReactNode;
}) {
  const { connection: id } = useParams({ from: '/connections/$connection' });
  const doc = useDocument(id);
  const may = useMay('admins');
  const { sync, chosen, choose } = useSyncChoice(doc.edited?.syncs);
  const ends = useEnds(doc.edited);
  const both = useBothFields(doc.edited, sync);
  return (
    <Page
      title={title}
      name={title}
      sub={sub}
      actions={
        <>
          <SyncPick syncs={doc.edited?.syncs ?? []} value={chosen} change={choose} />
          {actions}
        </>
      }
    >
      {doc.query.isPending ? (
        <Loading what={title.toLowerCase()} />
      ) : (
        <WithDocument doc={doc}>
          {(connection) =>
            sync ? (
              children(
                {
                  connection,
                  sync,
                  change: (next) => doc.changeSync(sync.id, next),
                  ends,
                  fields: both.fields,
                  refresh: both.refresh,
                  busy: both.busy,
                  may,
                },
                doc,
              )
            ) : (
              <Empty title="No record type is synced yet">Choose one in the set-up.</Empty>
            )
          }
        </WithDocument>
      )}
      <SaveBar doc={doc} sync={chosen} />
    </Page>
  );
}
