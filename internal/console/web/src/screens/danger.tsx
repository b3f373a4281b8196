import { Button, Checkbox, Group, SegmentedControl, Stack, Text } from '@mantine/core';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { call } from '../api/client';
import { useConnection, useGet } from '../api/queries';
import { number } from '../app/format';
import { useMay } from '../app/session';
import { useAction } from '../ui/action';
import { Failure, Loading, Moment, NoRight, Note } from '../ui/basics';
import { Confirm } from '../ui/dialogs';
import { Page, Panel } from '../ui/page';
import { useEnds, useStatus } from './connection';

export function Danger() {
  const { connection: id } = useParams({ from: '/connections/$connection' });
  const admin = useMay('admins');
  const go = useNavigate();
  const query = useConnection(id);
  const status = useStatus(id, 60_000);
  const connection = query.data?.data;
  const ends = useEnds(connection);
  const [asking, setAsking] = useState(false);
  const [accounts, setAccounts] = useState(false);
  const remove = useAction(
    async () => {
      const now = await call('get', '/v1/connections/{id}', { path: { id } });
      return call('delete', '/v1/connections/{id}', {
        path: { id },
        query: { confirm: now.data.name, accounts: accounts ? 'unused' : 'keep' } as never,
        ifMatch: now.etag,
      });
    },
    {
      say: 'The connection is being removed for good',
      done: () => void go({ to: '/connections' }),
    },
  );
  if (!connection) return <Loading what="the connection" />;
  if (!admin) return <NoRight />;
  const links = (status.data?.data.syncs ?? []).reduce((n, s) => n + (s.states.left?.in_sync ?? 0), 0);
  const mappings = (connection.syncs ?? []).reduce((n, s) => n + (s.mappings ?? []).length, 0);
  return (
    <Page title="Danger" name="Danger">
      <Webhooks id={id} />
      <Panel title="Delete this connection">
        <Stack gap="sm">
          <Note tone="red" title="Permanent. It cannot be undone, and is not a way to pause">
            <ul className="problem-items">
              <li>
                {number(links)} linked pairs, {number(mappings)} mappings, all rules, the log and the schedule go.
              </li>
              <li>
                Records stay: none is deleted in {ends.left.name} and none in {ends.right.name}.
              </li>
            </ul>
          </Note>
          <Text size="sm">
            To stop for a while, pause it or turn it off. To keep its settings,{' '}
            <a className="link" href={`/v1/connections/${encodeURIComponent(id)}/export`} download={`${id}.yaml`}>
              download them as YAML
            </a>{' '}
            first. To erase one person, see{' '}
            <Link className="link" to="/erasures">
              Erasures
            </Link>
            .
          </Text>
          <Group>
            <Button color="red" onClick={() => setAsking(true)} disabled={connection.status === 'deleting'}>
              Delete this connection
            </Button>
          </Group>
        </Stack>
      </Panel>
      <Confirm
        opened={asking}
        close={() => setAsking(false)}
        title={`Delete “${connection.name}” for good?`}
        action="Delete for good"
        danger
        typed={connection.name}
        run={() => remove.mutate()}
        pending={remove.isPending}
        error={remove.error}
      >
        <Stack gap="sm">
          <span>All its mappings are deleted too. It cannot be undone. Records in both apps stay.</span>
          <Checkbox
            label="Delete the accounts, too, that no other connection uses"
            description="Their credentials go, and their addresses for webhooks"
            checked={accounts}
            onChange={(e) => setAccounts(e.currentTarget.checked)}
          />
        </Stack>
      </Confirm>
    </Page>
  );
}

function Webhooks({ id }: { id: string }) {
  const hooks = useGet('/v1/connections/{id}/webhooks', { path: { id } });
  const [old, setOld] = useState<'keep' | 'revoke'>('keep');
  const [asking, setAsking] = useState(false);
  const rotate = useAction(
    (_: undefined, key) =>
      call('post', '/v1/connections/{id}/webhooks/rotate', { path: { id }, query: { old } as never, key }),
    {
      say: 'New addresses are below',
      done: () => setAsking(false),
    },
  );
  return (
    <Panel
      title="Webhook addresses"
      actions={
        <Button variant="default" onClick={() => setAsking(true)}>
          Make new ones
        </Button>
      }
    >
      {hooks.isPending ? (
        <Loading what="addresses" />
      ) : hooks.isError ? (
        <Failure error={hooks.error} again={() => void hooks.refetch()} />
      ) : (
        <Stack gap="sm">
          {hooks.data.data.items.map((h) => (
            <dl className="facts" key={h.side}>
              <dt>{h.side === 'left' ? 'Left app' : 'Right app'}</dt>
              <dd>{h.app}</dd>
              {h.supported ? (
                <>
                  <dt>Address, a secret</dt>
                  <dd className="mono">{h.url}</dd>
                  <dt>Checked by</dt>
                  <dd>{h.verification}</dd>
                  <dt>Last delivery</dt>
                  <dd>
                    <Moment at={h.last_delivery} />
                  </dd>
                  {h.old_until && (
                    <>
                      <dt>The old one works until</dt>
                      <dd>
                        <Moment at={h.old_until} />
                      </dd>
                    </>
                  )}
                  {h.problems.map((p) => (
                    <dd key={p.detail} style={{ gridColumn: '1 / -1' }}>
                      <Note tone="yellow">{p.detail}</Note>
                    </dd>
                  ))}
                </>
              ) : (
                <>
                  <dt>Address</dt>
                  <dd className="blank">this app does not call us; it is pulled</dd>
                </>
              )}
            </dl>
          ))}
        </Stack>
      )}
      <Confirm
        opened={asking}
        close={() => setAsking(false)}
        title="Make new addresses?"
        action="Make new ones"
        danger={old === 'revoke'}
        run={() => rotate.mutate(undefined)}
        pending={rotate.isPending}
        error={rotate.error}
      >
        <Stack gap="xs">
          <span>The apps have to be told the new ones. Until then pulls find what changed.</span>
          <SegmentedControl
            size="xs"
            aria-label="The old addresses"
            data={[
              { value: 'keep', label: 'Old ones work 24 hours more' },
              { value: 'revoke', label: 'End them at once' },
            ]}
            value={old}
            onChange={(v) => setOld(v as 'keep')}
          />
        </Stack>
      </Confirm>
    </Panel>
  );
}
