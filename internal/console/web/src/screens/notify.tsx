import { Button, Group, Select, Stack, Switch, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { call } from '../api/client';
import { useAll } from '../api/queries';
import type { Connection } from '../api/types';
import { useAction } from '../ui/action';
import { Failure, Note } from '../ui/basics';

type Notify = Connection['notify'];

const digests = [
  { value: 'off', label: 'each at once' },
  { value: 'hourly', label: 'put together, once an hour' },
  { value: 'daily', label: 'put together, once a day' },
];

/** NotifyPick chooses who hears of a connection's alerts, how often, and when not. */
export function NotifyPick({
  connection,
  zones,
  may,
  dirty,
  change,
}: {
  connection: Connection;
  zones: string[];
  may: boolean;
  /** Edits are not saved yet: what is sent is by what was saved. */
  dirty: boolean;
  change: (next: (now: Connection) => Connection) => void;
}) {
  const n = connection.notify;
  const set = (next: Partial<Notify>) => change((now) => ({ ...now, notify: { ...now.notify, ...next } }));
  const users = useAll('/v1/users', {}, { enabled: may });
  const data = (users.data ?? []).map((u) => ({
    value: u.email,
    label: `${u.email}${(u.roles ?? []).length > 0 ? ` (${(u.roles ?? []).join(', ')})` : ''}${u.active ? '' : ', not active'}`,
    disabled: !u.active,
  }));
  // Whoever was chosen stays to be seen, whether or not they may be chosen now.
  if (n.user && !data.some((d) => d.value === n.user)) data.unshift({ value: n.user, label: n.user, disabled: false });
  const quiet = n.quiet_hours;
  return (
    <Stack gap="sm">
      <Switch
        size="xs"
        label="Tell somebody when something is wrong, and when it is over"
        checked={n.enabled}
        disabled={!may}
        onChange={(e) => set({ enabled: e.currentTarget.checked })}
      />
      {n.enabled && (
        <>
          <div className="columns">
            <Stack gap="sm">
              <Select
                label="User"
                description="By e-mail. Those whom a key acts for may be chosen"
                searchable
                data={[{ value: '', label: 'nobody' }, ...data]}
                value={n.user}
                disabled={!may}
                onChange={(v) => set({ user: v ?? '' })}
              />
              {users.isError && <Failure error={users.error} again={() => void users.refetch()} />}
              {users.isSuccess && data.length === 0 && (
                <Text size="sm" c="var(--soft)">
                  Nobody can be chosen yet: make a key for a user under Keys.
                </Text>
              )}
              <TextInput
                label="Webhook"
                description="Each message is posted to this address at once, signed"
                placeholder="https://…"
                value={n.webhook ?? ''}
                disabled={!may}
                onChange={(e) => set({ webhook: e.currentTarget.value || null })}
              />
            </Stack>
            <Stack gap="sm">
              <Select
                label="Mails are sent"
                data={digests}
                value={n.digest || 'off'}
                disabled={!may}
                onChange={(v) => set({ digest: v ?? 'off' })}
              />
              <Switch
                size="xs"
                label="Quiet hours, in which no mail is sent"
                checked={!!quiet}
                disabled={!may}
                onChange={(e) =>
                  set({
                    quiet_hours: e.currentTarget.checked ? { from: '22:00', to: '07:00', time_zone: 'UTC' } : null,
                  } as never)
                }
              />
              {quiet && (
                <Group gap="xs" align="flex-end">
                  {(['from', 'to'] as const).map((end) => (
                    <TextInput
                      key={end}
                      type="time"
                      label={end === 'from' ? 'From' : 'To'}
                      value={quiet[end]}
                      disabled={!may}
                      onChange={(e) => {
                        const at = e.currentTarget.value;
                        set({ quiet_hours: { ...quiet, [end]: at } });
                      }}
                      w={110}
                    />
                  ))}
                  <Select
                    label="Time zone"
                    searchable
                    data={zones}
                    value={quiet.time_zone || 'UTC'}
                    disabled={!may}
                    onChange={(v) => set({ quiet_hours: { ...quiet, time_zone: v ?? 'UTC' } })}
                    w={190}
                  />
                </Group>
              )}
            </Stack>
          </div>
          {may && <Tries connection={connection} dirty={dirty} />}
        </>
      )}
    </Stack>
  );
}

const channelWords: Record<string, string> = { mail: 'By mail', webhook: 'By webhook' };

/** Tries sends a test message by what is saved, and makes a secret for the webhook. */
function Tries({ connection, dirty }: { connection: Connection; dirty: boolean }) {
  const path = { id: connection.id };
  const [secret, setSecret] = useState('');
  const test = useAction((_: undefined, key) => call('post', '/v1/connections/{id}/notify/test', { path, key }));
  const renew = useAction((_: undefined, key) => call('post', '/v1/connections/{id}/notify/secret', { path, key }), {
    done: ({ data }) => setSecret(data.secret),
  });
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Button variant="default" disabled={dirty} loading={test.isPending} onClick={() => test.mutate(undefined)}>
          Send a test message
        </Button>
        {connection.notify.webhook && (
          <Button variant="default" disabled={dirty} loading={renew.isPending} onClick={() => renew.mutate(undefined)}>
            New secret of the webhook
          </Button>
        )}
        {dirty && (
          <Text size="xs" c="var(--soft)">
            Save first: messages go by what is saved.
          </Text>
        )}
      </Group>
      {(test.error ?? renew.error) != null && <Failure error={test.error ?? renew.error} />}
      {test.data?.data.results.map((r) => (
        <Note key={r.channel} tone={r.ok ? 'blue' : 'red'}>
          {channelWords[r.channel] ?? r.channel}: {r.ok ? 'sent' : r.error}
          {r.fallback && ', to the admins, because the user chosen is not active any more'}.
        </Note>
      ))}
      {secret && (
        <Note tone="yellow" title="The secret, shown only now">
          <span className="mono">{secret}</span>
        </Note>
      )}
    </Stack>
  );
}
