import { Button, Group, Radio, Select, Stack, Text, TextInput } from '@mantine/core';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { call, type Schema } from '../api/client';
import { useConnection, useGet, useList } from '../api/queries';
import {
  type Connection,
  type Explanation,
  type Mapping,
  other,
  type RecordView,
  type Side,
  type Sync,
  type Value,
} from '../api/types';
import { othersSide } from '../app/groups';
import { useMay } from '../app/session';
import { ruleWords, sentence, settledWords, stateWords, words } from '../app/words';
import { useAction } from '../ui/action';
import { CodeLink, Failure, Loading, Moment, Note, OutcomeBadge, Remedy, Shown, StateBadge } from '../ui/basics';
import { Confirm, Dialog } from '../ui/dialogs';
import { Icon } from '../ui/icons';
import { Page, Panel } from '../ui/page';
import { type Ends, useEnds } from './connection';

export function RecordPage() {
  const params = useParams({ from: '/connections/$connection/records/$sync/$side/$record' });
  const side = params.side as Side;
  const connection = useConnection(params.connection).data?.data;
  const ends = useEnds(connection);
  const path = { id: params.connection, sync: params.sync, side, record: params.record };
  const view = useGet('/v1/connections/{id}/syncs/{sync}/records/{side}/{record}', { path: path as never });
  const why = useGet('/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/explain', { path: path as never });
  const sync = connection?.syncs?.find((s) => s.id === params.sync);
  if (view.isPending || !connection) return <Loading what="the record" />;
  const back = (
    <Link
      className="link"
      to="/connections/$connection/records"
      params={{ connection: params.connection }}
      search={{ sync: params.sync }}
    >
      <Icon name="left" size={12} /> Records
    </Link>
  );
  if (view.isError) {
    return (
      <Page title="Record" name="Record" above={back}>
        <Failure error={view.error} again={() => void view.refetch()} />
      </Page>
    );
  }
  const record = view.data.data;
  return (
    <Page
      above={back}
      name="Record"
      title={
        <>
          {ends[side].name} <span className="mono">{record.id}</span>
        </>
      }
      badge={<StateBadge state={record.state} />}
      sub={stateWords[record.state]?.means}
      actions={<Actions record={record} connection={connection} sync={params.sync} ends={ends} />}
    >
      <Answer record={record} why={why.data?.data} connection={connection} sync={params.sync} ends={ends} />
      {why.isError && (
        <Failure error={why.error} again={() => void why.refetch()} title="Why it is so could not be found out now" />
      )}
      <Fields record={record} why={why.data?.data} sync={sync} ends={ends} connection={connection} />
      <div className="columns">
        <Steps why={why.data?.data} />
        <Panel title="History">
          {record.history?.length ? (
            <table className="plain">
              <thead>
                <tr>
                  <th scope="col">When</th>
                  <th scope="col">Outcome</th>
                  <th scope="col">What</th>
                </tr>
              </thead>
              <tbody>
                {record.history.map((e) => (
                  <tr key={e.id}>
                    <td>
                      <Link
                        className="link"
                        to="/connections/$connection/log"
                        params={{ connection: params.connection }}
                        search={{ entry: e.id }}
                      >
                        <Moment at={e.time} />
                      </Link>
                    </td>
                    <td>
                      <OutcomeBadge outcome={e.outcome} />
                    </td>
                    <td>
                      {e.code && <CodeLink code={e.code} />}{' '}
                      {e.message || (e.diffs ?? []).map((d) => d.field).join(', ')}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          ) : (
            <Text size="sm" c="var(--soft)">
              Nothing was written to or from this record within the days that the log keeps.
            </Text>
          )}
        </Panel>
      </div>
      <Written record={record} connection={connection} sync={sync} ends={ends} />
    </Page>
  );
}

/** Written lists what each field was given, newest first; a value of before can be put back. */
function Written({
  record,
  connection,
  sync,
  ends,
}: {
  record: RecordView;
  connection: Connection;
  sync: Sync | undefined;
  ends: Ends;
}) {
  const works = useMay('works');
  const [field, setField] = useState('');
  const [asked, setAsked] = useState<Schema<'FieldChange'>>();
  const path = { id: connection.id, sync: sync?.id ?? '', side: record.side, record: record.id } as never;
  const list = useList(
    '/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/history',
    { path, query: { field } as never },
    { enabled: !!sync, limit: 50 },
  );
  const restore = useAction(
    ({ entry, field }: { entry: string; field: string }, key) =>
      call('post', '/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/restore', {
        path,
        key,
        body: { entry, field },
      }),
    { say: 'It is being put back', done: () => setAsked(undefined) },
  );
  const mappings = sync?.mappings ?? [];
  return (
    <Panel
      title="Values written"
      actions={
        <Select
          aria-label="Field"
          searchable
          data={[
            { value: '', label: 'Every field' },
            ...mappings.map((m) => ({
              value: m.id,
              label: `${(m.left ?? []).join(' + ')} ↔ ${(m.right ?? []).join(' + ')}`,
            })),
          ]}
          value={field}
          onChange={(v) => setField(v ?? '')}
          w={230}
        />
      }
    >
      {list.isPending ? (
        <Loading what="values" />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.items.length === 0 ? (
        <Text size="sm" c="var(--soft)">
          Nothing was written to it within the days that the log keeps.
        </Text>
      ) : (
        <div className="scroll-x">
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Field</th>
                <th scope="col">Before</th>
                <th scope="col">After</th>
                <th scope="col">Why</th>
                {works && <th scope="col">Put back</th>}
              </tr>
            </thead>
            <tbody>
              {list.items.map((c) => (
                <tr key={`${c.entry} ${c.side} ${c.field}`}>
                  <td>
                    <Link
                      className="link"
                      to="/connections/$connection/log"
                      params={{ connection: connection.id }}
                      search={{ entry: c.entry }}
                    >
                      <Moment at={c.time} />
                    </Link>
                  </td>
                  <td className={c.side === 'left' ? 'side-left' : 'side-right'}>
                    {ends[c.side as Side].name} · {c.field}
                  </td>
                  <td className="before">
                    <Shown value={c.before as Value} />
                  </td>
                  <td className="after">
                    <Shown value={c.after as Value} />
                  </td>
                  <td>{ruleWords[c.rule] ?? words(c.rule)}</td>
                  {works && (
                    <td>
                      {c.mapping && record.partner && (
                        <Button
                          size="compact-xs"
                          variant="default"
                          aria-label={`Put back ${c.field} of ${ends[c.side as Side].name}`}
                          onClick={() => setAsked(c)}
                        >
                          Put back
                        </Button>
                      )}
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
          {list.hasNextPage && (
            <Button
              variant="default"
              mt="xs"
              loading={list.isFetchingNextPage}
              onClick={() => void list.fetchNextPage()}
            >
              Older ones
            </Button>
          )}
        </div>
      )}
      <Confirm
        opened={!!asked}
        close={() => setAsked(undefined)}
        title="Put this value back?"
        action="Put it back"
        run={() => asked && restore.mutate({ entry: asked.entry, field: asked.mapping ?? asked.field })}
        pending={restore.isPending}
        error={restore.error}
      >
        {asked && (
          <>
            <b>{asked.field}</b> of {ends[asked.side as Side].name} gets <Shown value={asked.before as Value} /> again,
            whatever it holds by now. The other app keeps its value, and the two stay different until somebody edits one
            of them.
          </>
        )}
      </Confirm>
    </Panel>
  );
}

/** Answer says in a sentence or two why the record is where it is. */
function Answer({
  record,
  why,
  connection,
  sync,
  ends,
}: {
  record: RecordView;
  why: Explanation | undefined;
  connection: Connection;
  sync: string;
  ends: Ends;
}) {
  const code = record.code ?? why?.code;
  const tone =
    record.state === 'failing'
      ? 'red'
      : record.state === 'in_sync'
        ? 'blue'
        : record.state === 'excluded' || record.state === 'deleted'
          ? 'gray'
          : 'yellow';
  const to = other(record.side as Side);
  return (
    <Note tone={tone}>
      {record.partner ? (
        <>
          Linked to{' '}
          <Link
            className="link mono"
            to="/connections/$connection/records/$sync/$side/$record"
            params={{ connection: connection.id, sync, side: to, record: record.partner }}
          >
            {record.partner}
          </Link>{' '}
          in {ends[to].name}
          {record.since && (
            <>
              , in this state <Moment at={record.since} relative />
            </>
          )}
          .{' '}
        </>
      ) : (
        'Linked to nobody. '
      )}
      {code ? (
        <Remedy code={code} detail={record.detail || why?.detail} />
      ) : (
        record.state === 'in_sync' && 'Rules match and both sides agree.'
      )}
      {record.unread && (
        <div>
          <Remedy code={record.unread.code} detail={record.unread.detail} remedy={record.unread.remedy} />
        </div>
      )}
      {(record.others ?? []).length > 0 && (
        <div>
          {othersSide(record) === record.side
            ? `The others of ${ends[record.side as Side].name} with the same identity: `
            : `Those of ${ends[to].name} that fit it: `}
          {(record.others ?? []).map((o) => (
            <Link
              key={o}
              className="link mono"
              style={{ marginRight: 8 }}
              to="/connections/$connection/records/$sync/$side/$record"
              params={{ connection: connection.id, sync, side: othersSide(record), record: o }}
            >
              {o}
            </Link>
          ))}
        </div>
      )}
    </Note>
  );
}

/** openFields are those that wait for a person. */
export const openFields = (why: Explanation | undefined) =>
  (why?.fields ?? []).filter((f) => f.rule === 'conflict_review' || f.rule === 'first_difference_review');

/** baseValue reads what was agreed on, whose stored form is the engine's own. */
export function baseValue(stored: unknown): { known: boolean; value: Value } {
  if (stored === undefined) return { known: false, value: null };
  if (typeof stored !== 'object' || stored === null || Array.isArray(stored))
    return { known: true, value: stored as Value };
  const o = stored as Record<string, unknown>;
  for (const key of ['t', 'n', 'b', 'l', 'd', 'v'])
    if (o[key] !== undefined) return { known: true, value: o[key] as Value };
  return { known: true, value: null };
}

const fieldOf = (
  fields: Record<string, Value> | null | undefined,
  names: string[] | null | undefined,
): Value | undefined => {
  if (!fields || !names) return undefined;
  const got = names.map((n) => fields[n]);
  return got.length === 1
    ? got[0]
    : got
        .filter((v) => v !== null && v !== undefined)
        .map(String)
        .join(' ');
};

function Fields({
  record,
  why,
  sync,
  ends,
  connection,
}: {
  record: RecordView;
  why: Explanation | undefined;
  sync: Sync | undefined;
  ends: Ends;
  connection: Connection;
}) {
  const works = useMay('works');
  const mappings = sync?.mappings ?? [];
  const verdicts = new Map((why?.fields ?? []).map((f) => [f.mapping, f]));
  const settled = new Map((record.settled ?? []).map((s) => [s.mapping, s]));
  const open = openFields(why);
  const [resolving, setResolving] = useState(false);
  return (
    <Panel
      title="Fields"
      actions={
        works &&
        (open.length > 0 || record.state === 'conflict') && (
          <Button onClick={() => setResolving(true)}>
            Resolve {open.length > 1 ? `${open.length} conflicts` : 'the conflict'}
          </Button>
        )
      }
    >
      <div className="scroll-x">
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">Field</th>
              <th scope="col">
                <span className="side-left">{ends.left.name}</span>
              </th>
              <th scope="col">
                <span className="side-right">{ends.right.name}</span>
              </th>
              <th scope="col">Last agreed</th>
              <th scope="col">Who won, and why</th>
            </tr>
          </thead>
          <tbody>
            {mappings.map((m) => {
              const verdict = verdicts.get(m.id);
              const base = baseValue(record.base?.[m.id]);
              const rest = settled.get(m.id);
              const left = verdict ? verdict.left : fieldOf(record.values.left as never, m.left);
              const right = verdict ? verdict.right : fieldOf(record.values.right as never, m.right);
              const calm = verdict?.rule === 'agreed';
              return (
                <tr key={m.id}>
                  <td>
                    <MappingName mapping={m} />
                  </td>
                  <td>
                    <Shown value={left} />
                  </td>
                  <td>
                    <Shown value={right} />
                  </td>
                  <td>{base.known ? <Shown value={base.value} /> : <span className="blank">nothing yet</span>}</td>
                  <td>
                    {verdict && (
                      <Text size="sm" c={calm ? 'var(--soft)' : undefined} component="span">
                        {verdict.winner && !calm && (
                          <b>
                            {verdict.winner === 'left'
                              ? ends.left.name
                              : verdict.winner === 'right'
                                ? ends.right.name
                                : verdict.winner}
                            :{' '}
                          </b>
                        )}
                        {ruleWords[verdict.rule] ?? words(verdict.rule)}
                        {verdict.reason && ` (${settledWords[verdict.reason] ?? words(verdict.reason)})`}
                        {verdict.detail && `; ${verdict.detail}`} <CodeLink code={verdict.code} />
                        {works && verdict.rule === 'frozen' && (
                          <Unfreeze record={record} connection={connection} sync={sync} mapping={m.id} />
                        )}
                      </Text>
                    )}
                    {!verdict && rest && <>left different: {settledWords[rest.reason] ?? words(rest.reason)}</>}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {resolving && (
        <Resolve
          close={() => setResolving(false)}
          record={record}
          why={why}
          sync={sync}
          ends={ends}
          connection={connection}
        />
      )}
    </Panel>
  );
}

/** Unfreeze lets a field go on that went round in a circle of connections. */
function Unfreeze({
  record,
  connection,
  sync,
  mapping,
}: {
  record: RecordView;
  connection: Connection;
  sync: Sync | undefined;
  mapping: string;
}) {
  const path = { id: connection.id, sync: sync?.id ?? '', side: record.side, record: record.id } as never;
  const run = useAction(
    (_: undefined, key) =>
      call('post', '/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/unfreeze', {
        path,
        key,
        body: { field: mapping },
      }),
    { say: 'It goes on; if the circle is still there it freezes again' },
  );
  return (
    <>
      <Button size="compact-xs" variant="default" loading={run.isPending} onClick={() => run.mutate(undefined)}>
        Let it go on
      </Button>
      {run.error != null && <Failure error={run.error} />}
    </>
  );
}

export function MappingName({ mapping }: { mapping: Mapping }) {
  return (
    <span title={mapping.id}>
      <span className="side-left">{(mapping.left ?? []).join(' + ')}</span> <Icon name="both" size={12} />{' '}
      <span className="side-right">{(mapping.right ?? []).join(' + ')}</span>
    </span>
  );
}

type Choice = 'left' | 'right' | 'own' | '';

function Resolve({
  close,
  record,
  why,
  sync,
  ends,
  connection,
}: {
  close: () => void;
  record: RecordView;
  why: Explanation | undefined;
  sync: Sync | undefined;
  ends: Ends;
  connection: Connection;
}) {
  const open = openFields(why);
  const [choices, setChoices] = useState<Record<string, Choice>>({});
  const [own, setOwn] = useState<Record<string, string>>({});
  const run = useResolve(connection.id, sync?.id ?? '', record.side as Side, record.id, close);
  const ready =
    open.length > 0 &&
    open.every((f) => choices[f.mapping] && (choices[f.mapping] !== 'own' || own[f.mapping] !== undefined));
  return (
    <Dialog opened close={close} title="Which value holds?" size="lg">
      <Stack gap="md">
        {open.map((f) => {
          const mapping = sync?.mappings?.find((m) => m.id === f.mapping);
          return (
            <Radio.Group
              key={f.mapping}
              label={mapping ? <MappingName mapping={mapping} /> : f.mapping}
              value={choices[f.mapping] ?? ''}
              onChange={(v) => setChoices((c) => ({ ...c, [f.mapping]: v as Choice }))}
            >
              <Stack gap={10} mt={6}>
                <Radio
                  size="xs"
                  value="left"
                  label={
                    <>
                      <b>{ends.left.name}:</b> <Shown value={f.left} />
                    </>
                  }
                />
                <Radio
                  size="xs"
                  value="right"
                  label={
                    <>
                      <b>{ends.right.name}:</b> <Shown value={f.right} />
                    </>
                  }
                />
                <Radio size="xs" value="own" label="A value of my own" />
                {choices[f.mapping] === 'own' && (
                  <TextInput
                    aria-label="The value"
                    value={own[f.mapping] ?? ''}
                    onChange={(e) => {
                      const value = e.currentTarget.value;
                      setOwn((o) => ({ ...o, [f.mapping]: value }));
                    }}
                    maw={360}
                    ml={24}
                  />
                )}
              </Stack>
            </Radio.Group>
          );
        })}
        {open.length === 0 && <Text size="sm">No field waits for a decision any more. Load the record again.</Text>}
        {run.error != null && <Failure error={run.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button
            disabled={!ready}
            loading={run.isPending}
            onClick={() =>
              run.mutate(
                Object.fromEntries(
                  open.map((f) => {
                    const choice = choices[f.mapping];
                    return [
                      f.mapping,
                      choice === 'own' ? { value: own[f.mapping] ?? '' } : choice === 'right' ? 'right' : 'left',
                    ];
                  }),
                ),
              )
            }
          >
            Write this to both
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

type Fields = Record<string, 'left' | 'right' | { value: Value }>;

export function useResolve(connection: string, sync: string, side: Side, record: string, done: () => void) {
  return useAction(
    (fields: Fields, key) =>
      call('post', '/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/resolve', {
        path: { id: connection, sync, side, record } as never,
        body: { fields } as never,
        key,
      }),
    { say: 'Decided; it is being written', done },
  );
}

/** MatchTried says what each match step found for one record. */
export function MatchTried({ match }: { match: NonNullable<Explanation['match']> }) {
  if (match.length === 0) {
    return (
      <Text size="sm" c="var(--soft)">
        No match step was tried: the record is linked by its IDs, or is kept out before.
      </Text>
    );
  }
  return (
    <ol className="problem-items">
      {match.map((m) => (
        <li key={`${m.step} ${m.by}`}>
          <b>{words(m.by)}</b> {(m.fields ?? []).join(', ')}: {words(m.result)},{' '}
          {m.candidates === 1 ? 'one candidate' : `${m.candidates} candidates`}
        </li>
      ))}
    </ol>
  );
}

function Steps({ why }: { why: Explanation | undefined }) {
  if (!why) return null;
  const filters = why.filters ?? [];
  return (
    <Panel title="Match and rules">
      <Stack gap="sm">
        <MatchTried match={why.match ?? []} />
        {filters.length > 0 && (
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">Rule</th>
                <th scope="col">Clause</th>
                <th scope="col">The record has</th>
                <th scope="col">Holds</th>
              </tr>
            </thead>
            <tbody>
              {filters.map((f) => (
                <tr key={`${f.rule} ${f.way} ${f.field} ${f.op} ${JSON.stringify(f.wanted)}`}>
                  <td>{f.rule}</td>
                  <td>
                    {f.field} {words(f.op)} <Shown value={f.wanted} />
                  </td>
                  <td>
                    <Shown value={f.value} />
                  </td>
                  <td>{f.holds ? 'yes' : <b>no</b>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {(why.held ?? []).map((h) => (
          <Text size="sm" key={h.pointer}>
            Held: {h.kind} {h.id}. {sentence(h.remedy)}.
          </Text>
        ))}
      </Stack>
    </Panel>
  );
}

function Actions({
  record,
  connection,
  sync,
  ends,
}: {
  record: RecordView;
  connection: Connection;
  sync: string;
  ends: Ends;
}) {
  const works = useMay('works');
  const go = useNavigate();
  const [dialog, setDialog] = useState<'link' | 'unlink'>();
  const [partner, setPartner] = useState('');
  const side = record.side as Side;
  const path = { id: connection.id, sync, side, record: record.id } as never;
  const base = '/v1/connections/{id}/syncs/{sync}/records/{side}/{record}' as const;
  const now = useAction((_: undefined, key) => call('post', `${base}/sync`, { path, key }), {
    say: 'Looking at this record now',
  });
  const link = useAction(
    (to: string, key) => call('post', `${base}/link`, { path, key, body: { partner: to } as never }),
    {
      say: 'Linked; what differs is being worked out',
      done: () => setDialog(undefined),
    },
  );
  const unlink = useAction((_: undefined, key) => call('post', `${base}/unlink`, { path, key }), {
    say: 'Taken apart',
    done: () => {
      setDialog(undefined);
      void go({ to: '/connections/$connection/records', params: { connection: connection.id }, search: { sync } });
    },
  });
  if (!works) return null;
  const candidates = (record.others ?? []).map((o) => ({ value: o, label: o }));
  const there = ends[other(side)].name;
  return (
    <>
      <Button
        leftSection={<Icon name="refresh" size={14} />}
        loading={now.isPending}
        onClick={() => now.mutate(undefined)}
      >
        Sync now
      </Button>
      {record.partner ? (
        <Button variant="default" onClick={() => setDialog('unlink')}>
          Unlink
        </Button>
      ) : (
        <Button variant="default" leftSection={<Icon name="link" size={14} />} onClick={() => setDialog('link')}>
          Link
        </Button>
      )}
      {now.error != null && <Failure error={now.error} />}
      <Dialog opened={dialog === 'link'} close={() => setDialog(undefined)} title={`Link with a record of ${there}`}>
        <Stack gap="sm">
          <TextInput
            label={`ID in ${there}`}
            description="As the app shows it. Both are kept in step from then on; where they differ, the conflict setting decides."
            value={partner}
            onChange={(e) => setPartner(e.currentTarget.value)}
            data-autofocus
          />
          {candidates.length > 0 && (
            <Select
              label={othersSide(record) === side ? 'Or look first at one of the others' : 'Or one of those that fit'}
              data={candidates}
              value={null}
              onChange={(v) =>
                v &&
                (othersSide(record) !== side
                  ? setPartner(v)
                  : void go({
                      to: '/connections/$connection/records/$sync/$side/$record',
                      params: { connection: connection.id, sync, side, record: v },
                    }))
              }
            />
          )}
          {link.error != null && <Failure error={link.error} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={() => setDialog(undefined)}>
              Cancel
            </Button>
            <Button disabled={!partner.trim()} loading={link.isPending} onClick={() => link.mutate(partner.trim())}>
              Link them
            </Button>
          </Group>
        </Stack>
      </Dialog>
      <Confirm
        opened={dialog === 'unlink'}
        close={() => setDialog(undefined)}
        title="Take the link apart?"
        action="Unlink"
        run={() => unlink.mutate(undefined)}
        pending={unlink.isPending}
        error={unlink.error}
      >
        Both records stay as they are and are no longer kept in step. A match step may find them for each other again.
      </Confirm>
    </>
  );
}
