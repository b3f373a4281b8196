import { Button, CopyButton, Group, Select, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { call, type Schema } from '../api/client';
import { useList } from '../api/queries';
import { useAction } from '../ui/action';
import { Empty, Failure, Loading, Moment, Note } from '../ui/basics';
import { Confirm, Dialog } from '../ui/dialogs';
import { type Column, Grid } from '../ui/grid';
import { Icon } from '../ui/icons';
import { Page } from '../ui/page';

type Key = Schema<'Key'>;
const roles = [
  { value: 'admin', label: 'Admin: everything in the workspace' },
  { value: 'member', label: 'Member: works with records of connections that let them in' },
  { value: 'viewer', label: 'Viewer: reads, with values masked' },
];

export function Keys() {
  const list = useList('/v1/keys');
  const [making, setMaking] = useState(false);
  const [ending, setEnding] = useState<Key>();
  const end = useAction((id: string) => call('delete', '/v1/keys/{id}', { path: { id } }), {
    say: 'The key and its sessions have ended',
    done: () => setEnding(undefined),
  });
  const columns: Column<Key>[] = [
    { id: 'name', header: 'Name', width: 'minmax(120px, 1.500fr)', cell: (k) => k.name },
    { id: 'role', header: 'Role', width: '90px', cell: (k) => k.role },
    {
      id: 'user',
      header: 'Acts as',
      width: 'minmax(120px, 1fr)',
      priority: 2,
      cell: (k) => k.user.email || <span className="blank">nobody in particular</span>,
    },
    {
      id: 'roles',
      header: 'Roles of the user',
      width: 'minmax(100px, 1fr)',
      priority: 3,
      cell: (k) => (k.user.roles ?? []).join(', '),
    },
    { id: 'made', header: 'Made', width: '130px', priority: 3, cell: (k) => <Moment at={k.created_at} /> },
    {
      id: 'ends',
      header: 'Expires',
      width: '130px',
      priority: 2,
      cell: (k) => (k.expires_at ? <Moment at={k.expires_at} /> : <span className="blank">never</span>),
    },
    {
      id: 'end',
      header: '',
      width: '84px',
      cell: (k) => (
        <Button
          variant="subtle"
          color="red"
          size="compact-xs"
          onClick={() => setEnding(k)}
          aria-label={`End the key ${k.name}`}
        >
          End
        </Button>
      ),
    },
  ];
  return (
    <Page
      title="Keys"
      name="Keys"
      sub="API keys: each acts as its user, and is shown once"
      actions={
        <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setMaking(true)}>
          New key
        </Button>
      }
    >
      {list.isPending ? (
        <Loading what="keys" />
      ) : list.isError ? (
        <Failure error={list.error} again={() => void list.refetch()} />
      ) : list.items.length === 0 ? (
        <Empty
          title="No key but the operator’s"
          icon="keys"
          action={<Button onClick={() => setMaking(true)}>Make one</Button>}
        >
          Give each person and each program a key of its own, with the smallest role that does.
        </Empty>
      ) : (
        <Grid
          label="Keys"
          rows={list.items}
          columns={columns}
          keyOf={(k) => k.id}
          more={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          loading={list.isFetchingNextPage}
        />
      )}
      {making && <NewKey close={() => setMaking(false)} />}
      <Confirm
        opened={!!ending}
        close={() => setEnding(undefined)}
        title="End this key?"
        action="End it"
        danger
        run={() => ending && end.mutate(ending.id)}
        pending={end.isPending}
        error={end.error}
      >
        “{ending?.name}” and the sessions that it opened end at once. It cannot be brought back.
      </Confirm>
    </Page>
  );
}

function NewKey({ close }: { close: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState('member');
  const [email, setEmail] = useState('');
  const [groups, setGroups] = useState('');
  const [until, setUntil] = useState('');
  const make = useAction((_: undefined, key) =>
    call('post', '/v1/keys', {
      key,
      body: {
        name: name.trim(),
        role: role as 'member',
        ...(until ? { expires_at: `${until}T23:59:59Z` } : {}),
        user: {
          email: email.trim(),
          roles: groups
            .split(',')
            .map((r) => r.trim())
            .filter(Boolean),
        },
      },
    }),
  );
  const made = make.data?.data.key;
  return (
    <Dialog opened close={close} title={made ? 'The new key' : 'New key'}>
      {made ? (
        <Stack gap="sm">
          <Note tone="yellow">This is shown only now. Keep it where secrets are kept.</Note>
          <code className="payload">{made}</code>
          <Group justify="flex-end" gap="xs">
            <CopyButton value={made}>
              {({ copied, copy }) => (
                <Button variant="default" onClick={copy}>
                  {copied ? 'Copied' : 'Copy'}
                </Button>
              )}
            </CopyButton>
            <Button onClick={close}>Done</Button>
          </Group>
        </Stack>
      ) : (
        <form
          onSubmit={(e) => {
            e.preventDefault();
            make.mutate(undefined);
          }}
        >
          <Stack gap="sm">
            <TextInput
              label="Name"
              description="Who or what it is for"
              value={name}
              onChange={(e) => setName(e.currentTarget.value)}
              required
              data-autofocus
            />
            <Select label="Role" data={roles} value={role} onChange={(v) => setRole(v ?? 'member')} />
            <TextInput
              label="E-mail of its user"
              type="email"
              value={email}
              onChange={(e) => setEmail(e.currentTarget.value)}
            />
            <TextInput
              label="Roles of its user"
              description="By which connections let them in; separated by commas"
              value={groups}
              onChange={(e) => setGroups(e.currentTarget.value)}
            />
            <TextInput
              label="Last day"
              description="Empty: it does not expire"
              type="date"
              value={until}
              onChange={(e) => setUntil(e.currentTarget.value)}
            />
            {make.error != null && <Failure error={make.error} />}
            <Group justify="flex-end" gap="xs">
              <Text size="xs" c="var(--soft)" style={{ flex: 1 }}>
                The key is shown once.
              </Text>
              <Button variant="default" onClick={close}>
                Cancel
              </Button>
              <Button type="submit" disabled={!name.trim()} loading={make.isPending}>
                Make it
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Dialog>
  );
}
