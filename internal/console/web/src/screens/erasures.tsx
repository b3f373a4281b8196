import { Badge, Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { call, type Schema } from '../api/client';
import { useAccounts, useList } from '../api/queries';
import { number, plural } from '../app/format';
import { words } from '../app/words';
import { useAction } from '../ui/action';
import { Empty, Failure, Loading, Moment, Note } from '../ui/basics';
import { Confirm, Dialog } from '../ui/dialogs';
import { type Column, Grid } from '../ui/grid';
import { Page } from '../ui/page';

type Erasure = Schema<'Erasure'>;

export function Erasures() {
  const list = useList('/v1/erasures', {}, { every: 10_000 });
  const [asking, setAsking] = useState(false);
  const [looked, setLooked] = useState<Erasure>();
  const columns: Column<Erasure>[] = [
    { id: 'id', header: 'Receipt', width: 'minmax(150px, 1.500fr)', cell: (e) => <span className="id">{e.id}</span> },
    {
      id: 'state',
      header: 'State',
      width: '100px',
      cell: (e) => (
        <Badge color={e.state === 'done' ? 'teal' : 'blue'}>{e.state === 'done' ? 'Done' : 'Running'}</Badge>
      ),
    },
    {
      id: 'by',
      header: 'Asked by',
      width: '100px',
      priority: 2,
      cell: (e) => (e.by === 'app' ? 'an app' : 'an admin'),
    },
    { id: 'blocked', header: 'Kept out', width: '90px', priority: 2, cell: (e) => (e.blocked ? 'yes' : 'no') },
    { id: 'at', header: 'Begun', width: '130px', cell: (e) => <Moment at={e.created_at} /> },
  ];
  return (
    <Page
      title="Erasures"
      name="Erasures"
      sub="People who were taken out of everything that is remembered; receipts hold nothing of them"
      actions={
        <Button color="red" onClick={() => setAsking(true)}>
          Erase a person
        </Button>
      }
    >
      {list.isPending ? (
        <Loading what="erasures" />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.items.length === 0 ? (
        <Empty title="Nobody was erased" icon="erase">
          An erasure removes a person from links, log, plans and queues here. Records in the apps stay: delete them
          there.
        </Empty>
      ) : (
        <Grid
          label="Erasures"
          rows={list.items}
          columns={columns}
          keyOf={(e) => e.id}
          open={setLooked}
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loading={list.isFetchingNextPage}
        />
      )}
      {asking && <Erase close={() => setAsking(false)} made={setLooked} />}
      <Dialog opened={!!looked} close={() => setLooked(undefined)} title="Receipt" size="lg">
        {looked && (
          <Receipt erasure={list.items.find((e) => e.id === looked.id) ?? looked} close={() => setLooked(undefined)} />
        )}
      </Dialog>
    </Page>
  );
}

function Erase({ close, made }: { close: () => void; made: (e: Erasure) => void }) {
  const [email, setEmail] = useState('');
  const [phone, setPhone] = useState('');
  const erase = useAction(
    (_: undefined, key) =>
      call('post', '/v1/erasures', {
        key,
        body: { ...(email.trim() ? { email: email.trim() } : {}), ...(phone.trim() ? { phone: phone.trim() } : {}) },
      }),
    {
      done: ({ data }) => {
        close();
        made(data);
      },
    },
  );
  const who = email.trim() || phone.trim();
  const [step, setStep] = useState(1);
  if (step === 2) {
    return (
      <Confirm
        opened
        close={() => setStep(1)}
        title="Erase this person?"
        action="Erase for good"
        danger
        typed={who}
        run={() => erase.mutate(undefined)}
        pending={erase.isPending}
        error={erase.error}
      >
        Everything that is remembered of them here goes, in all connections of the workspace, and cannot be brought
        back. Nothing is written to or from their records from now on. Records in the apps stay as they are.
      </Confirm>
    );
  }
  return (
    <Dialog opened close={close} title="Erase a person">
      <Stack gap="sm">
        <Text size="sm">Name the person by what identifies them; several things are taken for one person.</Text>
        <TextInput
          label="E-mail"
          type="email"
          value={email}
          onChange={(e) => setEmail(e.currentTarget.value)}
          data-autofocus
          autoComplete="off"
        />
        <TextInput
          label="Phone"
          description="With its country code, such as +49"
          value={phone}
          onChange={(e) => setPhone(e.currentTarget.value)}
          autoComplete="off"
        />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button color="red" disabled={!who} onClick={() => setStep(2)}>
            Go on
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

function Receipt({ erasure: e, close }: { erasure: Erasure; close: () => void }) {
  const accounts = useAccounts();
  const nameOf = (id: string) => accounts.data?.find((a) => a.id === id)?.name ?? id;
  const [lifting, setLifting] = useState(false);
  const lift = useAction(() => call('delete', '/v1/erasures/{id}/block', { path: { id: e.id }, ifMatch: '*' }), {
    say: 'The person may come in again, as somebody new',
    done: () => {
      setLifting(false);
      close();
    },
  });
  return (
    <Stack gap="sm">
      <dl className="facts">
        <dt>Receipt</dt>
        <dd className="mono">{e.id}</dd>
        <dt>Begun</dt>
        <dd>
          <Moment at={e.created_at} />
        </dd>
        <dt>Done</dt>
        <dd>
          <Moment at={e.ended_at} />
        </dd>
        <dt>Looked through again</dt>
        <dd>
          <Moment at={e.checked_at} />
        </dd>
        <dt>Removed</dt>
        <dd>
          {Object.entries(e.removed ?? {})
            .map(([kind, n]) => `${number(n)} ${words(kind)}`)
            .join(', ') || <span className="blank">nothing was known</span>}
        </dd>
        <dt>Stand in apps as they are</dt>
        <dd>
          {e.kept.map((k) => `${plural(k.records, 'record')} in ${nameOf(k.account)} (${k.object})`).join(', ') || (
            <span className="blank">none known</span>
          )}
        </dd>
        <dt>Copies</dt>
        <dd>
          {e.backups.map((b) => (
            <div key={b.name}>
              {b.name}, until <Moment at={b.until} />
            </div>
          ))}
          {e.backups.length === 0 && <span className="blank">none</span>}
        </dd>
      </dl>
      {(e.unasked ?? []).length > 0 && (
        <Note tone="yellow">
          These accounts did not answer for a day and were not asked: {(e.unasked ?? []).map(nameOf).join(', ')}.
        </Note>
      )}
      {e.blocked && e.state === 'done' && (
        <Group justify="flex-end">
          <Button variant="default" onClick={() => setLifting(true)}>
            Let the person in again
          </Button>
        </Group>
      )}
      <Confirm
        opened={lifting}
        close={() => setLifting(false)}
        title="Let the person in again?"
        action="Lift the block"
        run={() => lift.mutate()}
        pending={lift.isPending}
        error={lift.error}
      >
        Their records are synced again, as somebody new: what was erased stays erased.
      </Confirm>
    </Stack>
  );
}
