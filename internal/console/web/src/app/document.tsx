import { Button, Group, Radio, Stack, Text } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useCallback, useEffect, useState } from 'react';
import { call, problemOf, type Schema } from '../api/client';
import { useConnection } from '../api/queries';
import type { Connection, Sync } from '../api/types';
import { useAction } from '../ui/action';
import { Failure, Note, Remedy } from '../ui/basics';
import { Dialog, Unsaved } from '../ui/dialogs';
import { type Collision, merge, same } from './merge';
import { patchOf } from './patch';
import { useMay } from './session';

interface Seen {
  document: Connection;
  etag: string;
}

export type Report = Schema<'ValidationReport'>;

/**
 * useDocument edits a connection's document: what is typed stays here until it
 * is saved, whatever the API says, and what somebody else saved meanwhile is
 * merged in.
 */
export function useDocument(id: string) {
  const query = useConnection(id);
  const [seen, setSeen] = useState<Seen>();
  const [edited, setEdited] = useState<Connection>();
  const [collisions, setCollisions] = useState<Collision[]>([]);
  const [merged, setMerged] = useState(false);
  const [report, setReport] = useState<Report>();
  const dirty = !!seen && !!edited && !same(seen.document, edited);

  const got = query.data;
  useEffect(() => {
    if (!got || dirty) return;
    setSeen({ document: got.data, etag: got.etag });
    setEdited(got.data);
  }, [got, dirty]);

  const change = useCallback((next: (now: Connection) => Connection) => {
    setMerged(false);
    setReport(undefined);
    setEdited((now) => now && next(now));
  }, []);
  const changeSync = useCallback(
    (sync: string, next: (now: Sync) => Sync) =>
      change((now) => ({ ...now, syncs: (now.syncs ?? []).map((s) => (s.id === sync ? next(s) : s)) })),
    [change],
  );

  const save = useAction(async () => {
    if (!seen || !edited) return undefined;
    const patch = patchOf(seen.document, edited);
    if (patch === undefined) return undefined;
    try {
      const answer = await call('patch', '/v1/connections/{id}', {
        path: { id },
        ifMatch: seen.etag,
        body: patch as never,
      });
      setSeen({ document: answer.data as Connection, etag: answer.etag });
      setEdited(answer.data as Connection);
      setMerged(false);
      return patch as Record<string, unknown>;
    } catch (error) {
      if (problemOf(error).status !== 412) throw error;
      const now = await call('get', '/v1/connections/{id}', { path: { id } });
      const both = merge(seen.document, edited, now.data);
      setSeen({ document: now.data, etag: now.etag });
      setEdited(both.merged);
      setCollisions(both.collisions);
      setMerged(true);
      return undefined;
    }
  }, {});
  const check = useAction(async () => {
    const { data } = await call('post', '/v1/connections/{id}/validate', {
      path: { id },
      body: (edited ?? {}) as never,
    });
    setReport(data);
    return data;
  }, {});
  const discard = () => {
    setEdited(seen?.document);
    setMerged(false);
    setReport(undefined);
    save.reset();
  };
  const settle = (choices: Record<string, 'mine' | 'theirs'>) => {
    setEdited(
      (now) =>
        now &&
        collisions.reduce((doc, c) => (choices[c.pointer] === 'theirs' ? put(doc, c.pointer, c.theirs) : doc), now),
    );
    setCollisions([]);
  };
  return { query, seen, edited, dirty, change, changeSync, save, check, report, discard, collisions, settle, merged };
}

export type Document = ReturnType<typeof useDocument>;

/** put sets the value at a pointer, whose parts are keys or IDs of list items; undefined takes it away. */
export function put<T>(document: T, pointer: string, value: unknown): T {
  const parts = pointer
    .split('/')
    .slice(1)
    .map((p) => p.replaceAll('~1', '/').replaceAll('~0', '~'));
  const set = (node: unknown, at: number): unknown => {
    if (at === parts.length) return value;
    const key = parts[at] ?? '';
    if (Array.isArray(node)) {
      const i = node.findIndex((item) => (item as { id?: string })?.id === key);
      const next = set(i < 0 ? undefined : node[i], at + 1);
      if (next === undefined) return node.filter((_, j) => j !== i);
      return i < 0 ? [...node, next] : node.map((item, j) => (j === i ? next : item));
    }
    const result = { ...(node as Record<string, unknown>) };
    const next = set(result[key], at + 1);
    if (next === undefined) delete result[key];
    else result[key] = next;
    return result;
  };
  return set(document, 0) as T;
}

const affecting = /"(mappings|rules|match|direction|behavior|conflict|fill_blanks_only|avoid_duplicates)"/;

/** SaveBar stands at the foot of a screen that edits the document. */
export function SaveBar({ doc, sync }: { doc: Document; sync?: string | undefined }) {
  const admin = useMay('admins');
  const [offer, setOffer] = useState(false);
  if (!admin) return null;
  const running = doc.seen?.document.status !== 'draft';
  const save = () =>
    doc.save.mutate(undefined, {
      onSuccess: (patch) => {
        if (patch && running && affecting.test(JSON.stringify(patch))) setOffer(true);
      },
    });
  return (
    <>
      <Unsaved when={doc.dirty} />
      {doc.merged && doc.collisions.length === 0 && (
        <Note tone="blue" title="Somebody else saved meanwhile">
          Their changes and yours do not collide: both are below. Save again to keep them.
        </Note>
      )}
      {doc.save.error != null && <Failure error={doc.save.error} title="Not saved; what you typed is still here" />}
      {doc.check.error != null && <Failure error={doc.check.error} />}
      {doc.report && <ReportNote report={doc.report} />}
      {doc.dirty && (
        <div className="savebar">
          <Text size="sm" fw={500}>
            Unsaved changes
          </Text>
          <Group gap="xs">
            <Button variant="subtle" color="gray" onClick={doc.discard}>
              Discard
            </Button>
            <Button variant="default" loading={doc.check.isPending} onClick={() => doc.check.mutate()}>
              Check
            </Button>
            <Button loading={doc.save.isPending} onClick={save}>
              Save
            </Button>
          </Group>
        </div>
      )}
      <Collisions doc={doc} />
      {doc.seen && <Apply opened={offer} close={() => setOffer(false)} connection={doc.seen.document} sync={sync} />}
    </>
  );
}

export function ReportNote({ report }: { report: Report }) {
  if (report.valid && report.warnings.length === 0 && !report.held?.length)
    return <Note tone="blue">Nothing is wrong: it can be saved.</Note>;
  return (
    <Stack gap="xs">
      {report.problems.length > 0 && (
        <Note tone="red" title={report.problems.length === 1 ? 'One problem' : `${report.problems.length} problems`}>
          <ul className="problem-items">
            {report.problems.map((p) => (
              <li key={p.pointer + p.detail}>
                <code>{p.pointer}</code> {p.detail}
              </li>
            ))}
          </ul>
        </Note>
      )}
      {report.warnings.length > 0 && (
        <Note tone="yellow" title="Worth knowing">
          <ul className="problem-items">
            {report.warnings.map((p) => (
              <li key={p.pointer + p.detail}>
                <code>{p.pointer}</code> {p.detail}
              </li>
            ))}
          </ul>
        </Note>
      )}
      {(report.held ?? []).map((h) => (
        <Note key={h.pointer} tone="yellow" title={`Held: ${h.kind} ${h.id}`}>
          <Remedy
            code={h.code}
            detail={h.detail || `the ${h.side} app no longer shows the field ${h.field}`}
            remedy={h.remedy}
          />
        </Note>
      ))}
    </Stack>
  );
}

function Collisions({ doc }: { doc: Document }) {
  const [choices, setChoices] = useState<Record<string, 'mine' | 'theirs'>>({});
  const ready = doc.collisions.every((c) => choices[c.pointer]);
  return (
    <Dialog opened={doc.collisions.length > 0} close={() => doc.settle({})} title="Both of you changed this" size="lg">
      <Stack gap="sm">
        <Text size="sm">
          Somebody else saved while you were typing. Everything else was merged; choose what holds here:
        </Text>
        {doc.collisions.map((c) => (
          <Radio.Group
            key={c.pointer}
            label={<code>{c.pointer}</code>}
            value={choices[c.pointer] ?? ''}
            onChange={(v) => setChoices((all) => ({ ...all, [c.pointer]: v as 'mine' | 'theirs' }))}
          >
            <Stack gap={10} mt={6}>
              <Radio size="xs" value="mine" label={<Version who="Yours" value={c.mine} />} />
              <Radio size="xs" value="theirs" label={<Version who="Theirs" value={c.theirs} />} />
            </Stack>
          </Radio.Group>
        ))}
        <Group justify="flex-end">
          <Button
            disabled={!ready}
            onClick={() => {
              doc.settle(choices);
              setChoices({});
            }}
          >
            Take these
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

function Version({ who, value }: { who: string; value: unknown }) {
  return (
    <span>
      <b>{who}:</b> <code>{value === undefined ? 'removed' : JSON.stringify(value)?.slice(0, 400)}</code>
    </span>
  );
}

/** Apply asks what a saved change means for records that are linked already. */
function Apply({
  opened,
  close,
  connection,
  sync,
}: {
  opened: boolean;
  close: () => void;
  connection: Connection;
  sync?: string | undefined;
}) {
  const go = useNavigate();
  const id = sync ?? connection.syncs?.[0]?.id ?? '';
  const path = { id: connection.id, sync: id };
  const resync = useAction(
    (_: undefined, key) => call('post', '/v1/connections/{id}/syncs/{sync}/resync', { path, key }),
    {
      say: 'A resync compares all records under the new settings',
      done: close,
    },
  );
  const plan = useAction(
    (_: undefined, key) => call('post', '/v1/connections/{id}/syncs/{sync}/plans', { path, key }),
    {
      done: ({ data }) => {
        close();
        void go({
          to: '/connections/$connection/plan',
          params: { connection: connection.id },
          search: { plan: data.id },
        });
      },
    },
  );
  return (
    <Dialog opened={opened} close={close} title="Saved. What about records that are linked already?">
      <Stack gap="sm">
        <Text size="sm">
          Changes from now on follow the new settings. A resync applies them to all linked records; a plan shows first
          what that would write.
        </Text>
        {(resync.error ?? plan.error) != null && <Failure error={resync.error ?? plan.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            From now on
          </Button>
          <Button variant="default" loading={resync.isPending} onClick={() => resync.mutate(undefined)}>
            Apply to all now
          </Button>
          <Button loading={plan.isPending} onClick={() => plan.mutate(undefined)} data-autofocus>
            Show the plan
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

export function WithDocument({ doc, children }: { doc: Document; children: (edited: Connection) => ReactNode }) {
  if (doc.query.error && !doc.edited) return <Failure error={doc.query.error} again={() => void doc.query.refetch()} />;
  if (!doc.edited) return null;
  return <>{children(doc.edited)}</>;
}
