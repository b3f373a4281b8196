import { Badge, Button, Group, PasswordInput, Select, Stack, Text, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { call } from '../api/client';
import { useAccounts, useApps } from '../api/queries';
import type { Account, App } from '../api/types';
import { useMay } from '../app/session';
import { words } from '../app/words';
import { useAction } from '../ui/action';
import { AppMark, Empty, Failure, Loading, Moment, Note, Remedy, useAppName } from '../ui/basics';
import { Confirm, Dialog } from '../ui/dialogs';
import { Icon } from '../ui/icons';
import { Page, Panel } from '../ui/page';
import { authWords } from './apps';

export function Accounts() {
  const admin = useMay('admins');
  const accounts = useAccounts();
  const [adding, setAdding] = useState(false);
  return (
    <Page
      title="Accounts"
      name="Accounts"
      sub="Authorised logins to apps; one can serve several connections"
      actions={
        admin && (
          <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setAdding(true)}>
            Add account
          </Button>
        )
      }
    >
      {accounts.isPending ? (
        <Loading what="accounts" />
      ) : accounts.isError ? (
        <Failure error={accounts.error} again={() => void accounts.refetch()} />
      ) : accounts.data.length === 0 ? (
        <Empty
          title="No account yet"
          icon="accounts"
          action={admin && <Button onClick={() => setAdding(true)}>Add the first one</Button>}
        >
          An account is a login to an app: consent in the app itself, or its token.
        </Empty>
      ) : (
        <div className="columns">
          {accounts.data.map((a) => (
            <AccountCard key={a.id} account={a} />
          ))}
        </div>
      )}
      <Dialog opened={adding} close={() => setAdding(false)} title="Add an account">
        <NewAccount done={() => setAdding(false)} />
      </Dialog>
    </Page>
  );
}

const hostOf = (url: string | undefined) => {
  try {
    return url ? new URL(url).host : '';
  } catch {
    return url ?? '';
  }
};

export function AccountFacts({ account }: { account: Account }) {
  return (
    <dl className="facts">
      <dt>Logged in at</dt>
      <dd>{hostOf(account.login_url || account.base_url) || <span className="blank">the app’s own host</span>}</dd>
      <dt>The app’s ID</dt>
      <dd className="mono">{account.external_id || <span className="blank">not known yet: test the account</span>}</dd>
      <dt>Authorised by</dt>
      <dd>{authWords[account.kind] ?? account.kind}</dd>
      <dt>Added</dt>
      <dd>
        <Moment at={account.created_at} />
      </dd>
    </dl>
  );
}

function AccountCard({ account }: { account: Account }) {
  const admin = useMay('admins');
  const nameOf = useAppName();
  const [dialog, setDialog] = useState<'delete' | 'again'>();
  const path = { id: account.id };
  const test = useAction((_: undefined, key) => call('post', '/v1/accounts/{id}/test', { path, key }));
  const remove = useAction(
    async () => {
      const now = await call('get', '/v1/accounts/{id}', { path });
      return call('delete', '/v1/accounts/{id}', { path, ifMatch: now.etag });
    },
    { say: 'Account removed', done: () => setDialog(undefined) },
  );
  return (
    <Panel
      title={
        <Group gap={8}>
          <AppMark app={account.app} /> {account.name}
          <Badge color={account.status === 'ok' ? 'teal' : 'red'}>
            {account.status === 'ok' ? 'Works' : words(account.status)}
          </Badge>
        </Group>
      }
      actions={
        admin && (
          <>
            <Button variant="default" size="compact-xs" loading={test.isPending} onClick={() => test.mutate(undefined)}>
              Test
            </Button>
            <Button variant="default" size="compact-xs" onClick={() => setDialog('again')}>
              Authorise again
            </Button>
            <Button variant="subtle" color="red" size="compact-xs" onClick={() => setDialog('delete')}>
              Remove
            </Button>
          </>
        )
      }
    >
      <Stack gap="sm">
        <Text size="sm" c="var(--soft)">
          {nameOf(account.app)}
        </Text>
        <AccountFacts account={account} />
        {account.problems.map((p) => (
          <Note key={p.code + p.side} tone="red" title={words(p.code)}>
            <Remedy code={p.code} detail={p.detail} remedy={p.remedy} />
          </Note>
        ))}
        {test.error != null && <Failure error={test.error} />}
        {test.data && (
          <Note tone={test.data.data.ok ? 'blue' : 'red'}>
            {test.data.data.ok
              ? `It works: ${test.data.data.identity.name || test.data.data.identity.external_id}.`
              : test.data.data.detail}
          </Note>
        )}
      </Stack>
      <Confirm
        opened={dialog === 'delete'}
        close={() => setDialog(undefined)}
        title="Remove this account?"
        action="Remove"
        danger
        run={() => remove.mutate()}
        pending={remove.isPending}
        error={remove.error}
      >
        Its credentials are forgotten. Nothing changes in {nameOf(account.app)}. It cannot be removed while a connection
        uses it.
      </Confirm>
      <Dialog opened={dialog === 'again'} close={() => setDialog(undefined)} title={`Authorise ${account.name} again`}>
        <NewAccount only={account.app} again={account} done={() => setDialog(undefined)} />
      </Dialog>
    </Panel>
  );
}

/** NewAccount adds an account of an app, or authorises one again; a refusal leaves nothing half made. */
export function NewAccount({
  only,
  again,
  done,
}: {
  only?: string;
  again?: Account;
  done: (account?: Account) => void;
}) {
  const apps = useApps();
  const [app, setApp] = useState(only ?? '');
  const chosen = apps.data?.find((a) => a.id === app);
  if (apps.isPending) return <Loading what="apps" />;
  if (apps.isError) return <Failure error={apps.error} again={() => void apps.refetch()} />;
  return (
    <Stack gap="sm">
      {!only && (
        <Select
          label="App"
          searchable
          data={apps.data.map((a) => ({ value: a.id, label: a.name }))}
          value={app || null}
          onChange={(v) => setApp(v ?? '')}
          data-autofocus
        />
      )}
      {chosen && <AccountForm key={chosen.id} app={chosen} {...(again ? { again } : {})} done={done} />}
    </Stack>
  );
}

function AccountForm({ app, again, done }: { app: App; again?: Account; done: (account?: Account) => void }) {
  const methods = app.auth ?? [];
  const [kind, setKind] = useState(again?.kind ?? methods[0]?.kind ?? '');
  const method = methods.find((m) => m.kind === kind);
  const [name, setName] = useState(again?.name ?? app.name);
  const [host, setHost] = useState(again?.base_url ?? '');
  const [values, setValues] = useState<Record<string, string>>({});
  const [since, setSince] = useState<string>();
  const accounts = useAccounts();
  const fields = method?.fields ?? [];
  const consent = kind === 'oauth2' && !values.client_id;
  // Consent is given in another tab; the account is there once the app has sent the browser back.
  const refetch = accounts.refetch;
  useEffect(() => {
    if (!since) return;
    const timer = setInterval(() => void refetch(), 2_000);
    return () => clearInterval(timer);
  }, [since, refetch]);
  const made = since
    ? (accounts.data ?? []).find(
        (a) => a.app === app.id && (again ? a.id === again.id && a.updated_at > since : a.created_at > since),
      )
    : undefined;
  useEffect(() => {
    if (made) done(made);
  }, [made, done]);

  const authorise = useAction(
    (_: undefined, key) =>
      call('post', '/v1/oauth/{app}/authorizations', {
        path: { app: app.id },
        key,
        body: {
          ...(again ? { account: again.id } : {}),
          ...(host ? { base_url: host } : {}),
          ...(again ? {} : { name }),
        } as never,
      }),
    {
      done: ({ data }) => {
        setSince(new Date(Date.now() - 5_000).toISOString());
        window.open(data.url, '_blank', 'noopener');
      },
    },
  );
  const save = useAction(
    async (_: undefined, key) => {
      const credentials = { kind, ...Object.fromEntries(Object.entries(values).filter(([, v]) => v !== '')) } as never;
      if (again) {
        const now = await call('get', '/v1/accounts/{id}', { path: { id: again.id } });
        await call('patch', '/v1/accounts/{id}', {
          path: { id: again.id },
          ifMatch: now.etag,
          body: { credentials } as never,
        });
        return again;
      }
      const { data } = await call('post', '/v1/accounts', {
        key,
        body: { app: app.id, name, credentials, ...(host ? { base_url: host } : {}) } as never,
      });
      try {
        await call('post', '/v1/accounts/{id}/test', { path: { id: data.id } });
      } catch {
        // The account is saved; its card says what is wrong with it.
      }
      return data;
    },
    { say: again ? 'Authorised again' : 'Account added', done: (account) => done(account) },
  );
  const ready = name.trim() !== '' && fields.every((f) => !f.required || values[f.name]);
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault();
        if (consent) authorise.mutate(undefined);
        else save.mutate(undefined);
      }}
    >
      <Stack gap="sm">
        {methods.length > 1 && (
          <Select
            label="Way to authorise"
            data={methods.map((m) => ({ value: m.kind, label: authWords[m.kind] ?? m.kind }))}
            value={kind}
            onChange={(v) => setKind(v ?? '')}
          />
        )}
        {!again && (
          <TextInput
            label="Name"
            description="For people only"
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
            required
          />
        )}
        <TextInput
          label="Address"
          description="Only where the app has one for each customer or site; else leave it empty"
          placeholder="https://"
          value={host}
          onChange={(e) => setHost(e.currentTarget.value)}
          disabled={!!again && !consent}
        />
        {fields.map((f) =>
          f.secret ? (
            <PasswordInput
              key={f.name}
              label={f.label}
              required={f.required}
              autoComplete="off"
              value={values[f.name] ?? ''}
              onChange={(e) => {
                const value = e.currentTarget.value;
                setValues((v) => ({ ...v, [f.name]: value }));
              }}
              visibilityToggleButtonProps={{ 'aria-label': `Show or hide: ${f.label}` }}
            />
          ) : (
            <TextInput
              key={f.name}
              label={f.label}
              required={f.required}
              value={values[f.name] ?? ''}
              onChange={(e) => {
                const value = e.currentTarget.value;
                setValues((v) => ({ ...v, [f.name]: value }));
              }}
            />
          ),
        )}
        {consent && (
          <Note tone="gray">
            {app.name} asks for your consent in a new tab: to read and write{' '}
            {(app.objects ?? []).map((o) => o.label.toLowerCase()).join(', ')}, and to tell us of changes. Refusing
            there leaves nothing behind.
          </Note>
        )}
        {since && (
          <Note tone="blue" title="Waiting for your consent">
            Allow it in the tab of {app.name}; this goes on by itself.
          </Note>
        )}
        {(authorise.error ?? save.error) != null && <Failure error={authorise.error ?? save.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={() => done()}>
            Cancel
          </Button>
          <Button type="submit" disabled={!ready} loading={authorise.isPending || save.isPending}>
            {consent ? `Go to ${app.name}` : again ? 'Save' : 'Add'}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
