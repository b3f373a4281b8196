import { Badge, Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { call } from '../api/client';
import { useAccounts, useAll, useApps, useGet, useList } from '../api/queries';
import type { Account, App, Connection, Side } from '../api/types';
import { type Document, ReportNote, SaveBar, useDocument } from '../app/document';
import { joins } from '../app/presets';
import { useMay } from '../app/session';
import { directionWords, scheduleWords } from '../app/words';
import { useAction } from '../ui/action';
import { AppMark, Empty, Failure, Loading, NoRight, Note } from '../ui/basics';
import { Dialog } from '../ui/dialogs';
import { Icon } from '../ui/icons';
import { Page, Panel } from '../ui/page';
import { AccountFacts, NewAccount } from './accounts';
import { StartDialog, SyncPick, useEnds, useSyncChoice } from './connection';
import { type Editing, savedSync, useBothFields } from './editing';
import { MappingsEditor } from './mappings';
import { MatchEditor } from './match';
import { Readiness } from './readiness';
import { RulesEditor } from './rules';
import { About, DirectionPick, SyncSettings } from './settings';

const steps = [
  { id: 'apps', label: 'Apps' },
  { id: 'accounts', label: 'Accounts' },
  { id: 'object', label: 'Record type' },
  { id: 'direction', label: 'Direction' },
  { id: 'rules', label: 'Rules' },
  { id: 'settings', label: 'Settings' },
  { id: 'mappings', label: 'Mappings' },
  { id: 'review', label: 'Review' },
] as const;
type Step = (typeof steps)[number]['id'];

function Steps({
  now,
  connection,
  search,
}: {
  now: Step;
  connection?: string;
  search?: { left?: string; right?: string };
}) {
  const at = steps.findIndex((s) => s.id === now);
  return (
    <nav aria-label="Steps of the set-up">
      <ol className="steps">
        {steps.map((s, i) => {
          const inner = (
            <>
              <span className="step-no">{i < at ? <Icon name="check" size={11} /> : i + 1}</span>
              {s.label}
            </>
          );
          const name = i < at ? 'step step-done' : 'step';
          return (
            <li key={s.id}>
              {connection && i >= 2 ? (
                <Link
                  to="/new/$connection/$step"
                  params={{ connection, step: s.id }}
                  className={name}
                  activeProps={{ 'aria-current': 'step' }}
                >
                  {inner}
                </Link>
              ) : !connection && i < 2 && (i === 0 || (search?.left && search?.right)) ? (
                <Link
                  to="/new"
                  search={{ ...search, step: s.id as 'apps' }}
                  className={name}
                  activeProps={{ 'aria-current': 'step' }}
                >
                  {inner}
                </Link>
              ) : (
                <span className={name} {...(i === at ? { 'aria-current': 'step' as const } : {})}>
                  {inner}
                </span>
              )}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

export function NewConnection() {
  const admin = useMay('admins');
  const search = useSearch({ from: '/new' });
  const apps = useApps();
  if (!admin) return <NoRight detail="only admins make connections" />;
  const step: Step = search.step === 'accounts' && search.left && search.right ? 'accounts' : 'apps';
  return (
    <Page
      title="New connection"
      name="New connection"
      sub="Nothing is read or written in either app before you start it. Every step can be left and found again"
    >
      <Steps
        now={step}
        search={{ ...(search.left ? { left: search.left } : {}), ...(search.right ? { right: search.right } : {}) }}
      />
      {apps.isPending ? (
        <Loading what="apps" />
      ) : apps.isError ? (
        <Failure error={apps.error} again={() => void apps.refetch()} />
      ) : step === 'apps' ? (
        <ChooseApps apps={apps.data} left={search.left} right={search.right} />
      ) : (
        <ChooseAccounts apps={apps.data} left={search.left ?? ''} right={search.right ?? ''} />
      )}
    </Page>
  );
}

function ChooseApps({ apps, left, right }: { apps: App[]; left: string | undefined; right: string | undefined }) {
  const go = useNavigate();
  const partners = useAll(
    '/v1/apps/{app}/partners',
    { path: { app: left ?? '' } },
    { enabled: !!left, fresh: 600_000 },
  );
  const presets = useAll('/v1/presets', {}, { fresh: 600_000 });
  const ready = (id: string) => (presets.data ?? []).some((p) => !p.derived && joins(p, left ?? '', id));
  // Ready-made ones stand first; the order is the apps' own within.
  const others = apps
    .filter((a) => partners.data?.some((p) => p.app === a.id))
    .sort((a, b) => Number(ready(b.id)) - Number(ready(a.id)));
  const set = (next: { left?: string | undefined; right?: string | undefined }) =>
    void go({ to: '/new', search: Object.fromEntries(Object.entries({ left, right, ...next }).filter(([, v]) => v)) });
  return (
    <>
      <div className="columns">
        <AppList title="First app" apps={apps} chosen={left} choose={(id) => set({ left: id, right: undefined })} />
        {!left ? (
          <Panel title="Connect it with">
            <Text size="sm" c="var(--soft)">
              Choose the first app: what it can be connected with is listed here.
            </Text>
          </Panel>
        ) : partners.isPending ? (
          <Loading what="apps that go with it" />
        ) : partners.isError ? (
          <Failure error={partners.error} again={() => void partners.refetch()} />
        ) : (
          <AppList
            title="Connect it with"
            apps={others}
            chosen={right}
            choose={(id) => set({ right: id })}
            badge={(a) => ready(a.id) && <Badge color="teal">ready-made</Badge>}
          />
        )}
      </div>
      <Group justify="flex-end">
        <Button
          disabled={!left || !right}
          onClick={() => void go({ to: '/new', search: { left: left ?? '', right: right ?? '', step: 'accounts' } })}
        >
          Go on: accounts
        </Button>
      </Group>
    </>
  );
}

function AppList({
  title,
  apps,
  chosen,
  choose,
  badge,
}: {
  title: string;
  apps: App[];
  chosen: string | undefined;
  choose: (id: string) => void;
  badge?: (a: App) => ReactNode;
}) {
  const [text, setText] = useState('');
  const shown = apps.filter((a) => `${a.name} ${a.id}`.toLowerCase().includes(text.trim().toLowerCase()));
  return (
    <Panel
      title={title}
      actions={
        <TextInput
          aria-label={`Search: ${title}`}
          placeholder="Search"
          leftSection={<Icon name="search" size={13} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          w={180}
        />
      }
    >
      {shown.length === 0 ? (
        <Empty title="No app of this name" />
      ) : (
        <div className="cards" role="radiogroup" aria-label={title}>
          {shown.map((a) => (
            // biome-ignore lint/a11y/useSemanticElements: a card that is a radio
            <button
              key={a.id}
              type="button"
              role="radio"
              aria-checked={chosen === a.id}
              className="card"
              onClick={() => choose(a.id)}
            >
              <Group gap={8} wrap="nowrap">
                <AppMark app={a.id} />
                <b>{a.name}</b>
                {badge?.(a)}
              </Group>
              <Text size="xs" c="var(--soft)">
                {(a.objects ?? []).map((o) => o.label).join(', ')}
              </Text>
            </button>
          ))}
        </div>
      )}
    </Panel>
  );
}

function ChooseAccounts({ apps, left, right }: { apps: App[]; left: string; right: string }) {
  const go = useNavigate();
  const accounts = useAccounts();
  const presets = useAll('/v1/presets', {}, { fresh: 600_000 });
  const [chosen, setChosen] = useState<{ left?: string; right?: string }>({});
  const nameOf = (id: string) => apps.find((a) => a.id === id)?.name ?? id;
  const [name, setName] = useState(`${nameOf(left)} <-> ${nameOf(right)}`);
  const of = (app: string) => (accounts.data ?? []).filter((a) => a.app === app);
  const pick = (side: Side) =>
    chosen[side] ??
    of(side === 'left' ? left : right).find((a) => a.id !== chosen[side === 'left' ? 'right' : 'left'])?.id;
  const make = useAction(
    async (_: undefined, key) => {
      const ends = { left: { account: pick('left') ?? '' }, right: { account: pick('right') ?? '' } };
      const preset = (presets.data ?? []).find((p) => joins(p, left, right));
      if (preset)
        return call('post', '/v1/connections', {
          key,
          query: { preset: preset.id } as never,
          body: { name: name.trim(), ...ends },
        });
      // The smallest draft that is accepted: it writes nothing, and the steps fill it.
      const object = (app: string) => apps.find((a) => a.id === app)?.objects?.[0]?.id ?? '';
      const sync = {
        id: idOf(object(left)),
        left: { object: object(left) },
        right: { object: object(right) },
        ...empty,
      };
      return call('post', '/v1/connections', { key, body: { name: name.trim(), ...ends, syncs: [sync] } as never });
    },
    {
      say: 'The draft is kept: go on whenever you like',
      done: ({ data }) =>
        void go({ to: '/new/$connection/$step', params: { connection: (data as Connection).id, step: 'object' } }),
    },
  );
  if (accounts.isPending) return <Loading what="accounts" />;
  if (accounts.isError) return <Failure error={accounts.error} again={() => void accounts.refetch()} />;
  return (
    <>
      <div className="columns">
        {(['left', 'right'] as const).map((side) => {
          const app = side === 'left' ? left : right;
          return (
            <AccountPick
              key={side}
              app={app}
              name={nameOf(app)}
              accounts={of(app)}
              chosen={pick(side)}
              choose={(id) => setChosen((c) => ({ ...c, [side]: id }))}
            />
          );
        })}
      </div>
      <Panel>
        <Stack gap="sm">
          <TextInput
            label="Name of the connection"
            description="For people only; it can be changed later"
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
            maw={420}
          />
          {make.error != null && <Failure error={make.error} />}
          <Group justify="space-between">
            <Button variant="default" component={Link} to="/new" search={{ left, right } as never}>
              Back
            </Button>
            <Button
              disabled={!pick('left') || !pick('right') || !name.trim()}
              loading={make.isPending}
              onClick={() => make.mutate(undefined)}
            >
              Configure the sync between {nameOf(left)} and {nameOf(right)}
            </Button>
          </Group>
        </Stack>
      </Panel>
    </>
  );
}

const empty = {
  mappings: [],
  match: [],
  rules: [],
  avoid_duplicates: false,
  behavior: { to_right: 'update_only', to_left: 'update_only' },
} as const;
const idOf = (object: string) =>
  object
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, 40) || 'sync';

function AccountPick({
  app,
  name,
  accounts,
  chosen,
  choose,
}: {
  app: string;
  name: string;
  accounts: Account[];
  chosen: string | undefined;
  choose: (id: string) => void;
}) {
  const [adding, setAdding] = useState(false);
  return (
    <Panel
      title={
        <Group gap={8}>
          <AppMark app={app} /> {name}
        </Group>
      }
      actions={
        <Button variant="default" leftSection={<Icon name="plus" size={13} />} onClick={() => setAdding(true)}>
          Add another account
        </Button>
      }
    >
      {accounts.length === 0 ? (
        <Empty
          title={`No account of ${name} yet`}
          icon="accounts"
          action={<Button onClick={() => setAdding(true)}>Authorise {name}</Button>}
        >
          An authorised account can serve several connections.
        </Empty>
      ) : (
        <Stack gap="sm" role="radiogroup" aria-label={`Account of ${name}`}>
          {accounts.map((a) => (
            // biome-ignore lint/a11y/useSemanticElements: a card that is a radio
            <button
              key={a.id}
              type="button"
              role="radio"
              aria-checked={chosen === a.id}
              className="card"
              onClick={() => choose(a.id)}
            >
              <Group gap={8}>
                <b>{a.name}</b>
                <Badge color={a.status === 'ok' ? 'teal' : 'red'}>
                  {a.status === 'ok' ? 'Works' : 'Needs authorisation'}
                </Badge>
              </Group>
              <AccountFacts account={a} />
              {a.problems.map((p) => (
                <Text size="sm" key={p.code}>
                  <Icon name="warn" size={13} /> {p.detail} {p.remedy && `What to do: ${p.remedy}.`}
                </Text>
              ))}
            </button>
          ))}
        </Stack>
      )}
      <Dialog opened={adding} close={() => setAdding(false)} title={`Authorise ${name}`}>
        <NewAccount
          only={app}
          done={(account) => {
            setAdding(false);
            if (account) choose(account.id);
          }}
        />
      </Dialog>
    </Panel>
  );
}

export function DraftConnection() {
  const { connection: id, step: at } = useParams({ from: '/new/$connection/$step' });
  const step = steps.find((s) => s.id === at)?.id ?? 'object';
  const admin = useMay('admins');
  const doc = useDocument(id);
  const go = useNavigate();
  const { sync, chosen, choose } = useSyncChoice(doc.edited?.syncs);
  const ends = useEnds(doc.edited);
  const both = useBothFields(doc.edited, sync);
  if (!admin) return <NoRight detail="only admins set connections up" />;
  const i = steps.findIndex((s) => s.id === step);
  const to = (n: number) =>
    void go({ to: '/new/$connection/$step', params: { connection: id, step: steps[n]?.id ?? 'review' } });
  const save = (then: () => void) => {
    if (!doc.dirty) then();
    else doc.save.mutate(undefined, { onSuccess: (patch) => patch && setTimeout(then) });
  };
  const editing: Editing | undefined =
    doc.edited && sync
      ? {
          connection: doc.edited,
          sync,
          change: (next) => doc.changeSync(sync.id, next),
          ends,
          fields: both.fields,
          refresh: both.refresh,
          busy: both.busy,
          may: true,
        }
      : undefined;
  return (
    <Page
      title={doc.edited?.name ?? 'New connection'}
      name="New connection"
      badge={<Badge color="gray">Draft</Badge>}
      sub="Saved as you go; nothing is read or written in either app before you start it"
      actions={
        <>
          <SyncPick syncs={doc.edited?.syncs ?? []} value={chosen} change={choose} />
          <Button
            variant="default"
            loading={doc.save.isPending}
            onClick={() => save(() => void go({ to: '/connections' }))}
          >
            Save for later
          </Button>
        </>
      }
    >
      <Steps now={step} connection={id} />
      {doc.query.isPending ? (
        <Loading what="the draft" />
      ) : doc.query.isError ? (
        <Failure error={doc.query.error} again={() => void doc.query.refetch()} />
      ) : (
        editing && (
          <>
            {both.error != null && <Failure error={both.error} again={both.refresh} />}
            {step === 'object' && <ObjectStep {...editing} doc={doc} />}
            {step === 'direction' && <DirectionPick {...editing} />}
            {step === 'rules' && <RulesEditor {...editing} saved={savedSync(doc, editing.sync)} />}
            {step === 'settings' && (
              <>
                <Panel title="Connection">
                  <About connection={editing.connection} ends={ends} may change={doc.change} />
                </Panel>
                <SyncSettings {...editing} />
                <Panel title="Match">
                  <MatchEditor {...editing} />
                </Panel>
              </>
            )}
            {step === 'mappings' && <MappingsEditor {...editing} id={id} saved={savedSync(doc, editing.sync)} />}
            {step === 'review' && <Review {...editing} doc={doc} />}
            {step !== 'review' && (
              <Group justify="space-between">
                <Button variant="default" disabled={i <= 2} onClick={() => save(() => to(i - 1))}>
                  Back
                </Button>
                <Button loading={doc.save.isPending} onClick={() => save(() => to(i + 1))}>
                  Go on: {steps[i + 1]?.label.toLowerCase()}
                </Button>
              </Group>
            )}
          </>
        )
      )}
      <SaveBar doc={doc} sync={chosen} />
    </Page>
  );
}

/** ObjectStep chooses the record type on each side; with one there is nothing to choose. */
function ObjectStep({ connection, sync, change, ends, doc }: Editing & { doc: Document }) {
  const objects = {
    left: useList('/v1/accounts/{id}/objects', { path: { id: connection.left.account } }),
    right: useList('/v1/accounts/{id}/objects', { path: { id: connection.right.account } }),
  };
  const suggestions = useGet(
    '/v1/connections/{id}/suggestions',
    { path: { id: connection.id } },
    { enabled: !doc.dirty },
  );
  const suggested = suggestions.data?.data.items.find((s) => s.sync === sync.id);
  const bare = (sync.mappings ?? []).length === 0;
  const take = () =>
    change((s) => ({
      ...s,
      mappings: suggested?.mappings ?? [],
      match: suggested?.match.slice(0, 1) ?? [],
      avoid_duplicates: (suggested?.match.length ?? 0) > 0,
      behavior: { to_right: 'create_and_update', to_left: 'create_and_update' },
    }));
  const set = (side: Side, object: string) =>
    change((s) =>
      s[side].object === object
        ? s
        : {
            ...s,
            [side]: { object },
            mappings: [],
            match: [],
            rules: [],
            avoid_duplicates: false,
            behavior: { to_right: 'update_only', to_left: 'update_only' },
          },
    );
  return (
    <Stack gap="md">
      <div className="columns">
        {(['left', 'right'] as const).map((side) => (
          <Panel key={side} title={`Record type of ${ends[side].name}`}>
            {objects[side].isPending ? (
              <Loading what="record types" />
            ) : objects[side].isError ? (
              <Failure error={objects[side].error} again={() => void objects[side].refetch()} />
            ) : (
              <div className="cards" role="radiogroup" aria-label={`Record type of ${ends[side].name}`}>
                {objects[side].items
                  .filter((o) => !o.activity)
                  .map((o) => (
                    // biome-ignore lint/a11y/useSemanticElements: a card that is a radio
                    <button
                      key={o.id}
                      type="button"
                      role="radio"
                      aria-checked={sync[side].object === o.id}
                      className="card"
                      onClick={() => set(side, o.id)}
                    >
                      <b>{o.label}</b>
                      <span className="mono">{o.id}</span>
                    </button>
                  ))}
              </div>
            )}
          </Panel>
        ))}
      </div>
      {doc.dirty && bare && (
        <Note tone="gray">
          Save the choice of record types to see which fields and match steps are suggested for them.
        </Note>
      )}
      {!doc.dirty && bare && suggested && (
        <Note tone="blue" title={`${suggested.mappings.length} mappings and a match are suggested for this pair`}>
          <Group gap="sm" mt={4}>
            <Button onClick={take}>Take them</Button>
            <span>Each can be changed in the steps that follow.</span>
          </Group>
        </Note>
      )}
      {!bare && (
        <Note tone="gray">
          {(sync.mappings ?? []).length} mappings are set for this pair. Choosing another record type starts them anew.
        </Note>
      )}
    </Stack>
  );
}

function Review({ connection, sync, ends, doc }: Editing & { doc: Document }) {
  const go = useNavigate();
  const [asking, setAsking] = useState(false);
  const path = { id: connection.id };
  const apps = useApps();
  const start = useAction((_: undefined, key) => call('post', '/v1/connections/{id}/start', { path, key }), {
    say: 'Started: the first sync begins',
    done: () => void go({ to: '/connections/$connection', params: { connection: connection.id } }),
  });
  const plan = useAction(
    (_: undefined, key) =>
      call('post', '/v1/connections/{id}/syncs/{sync}/plans', { path: { ...path, sync: sync.id }, key }),
    {
      done: ({ data }) =>
        void go({
          to: '/connections/$connection/plan',
          params: { connection: connection.id },
          search: { plan: data.id },
        }),
    },
  );
  const warnings = (['left', 'right'] as const).flatMap((side) =>
    (apps.data?.find((a) => a.id === ends[side].app)?.warnings ?? []).map((w) => `${ends[side].name}: ${w}`),
  );
  return (
    <Stack gap="md">
      <div className="columns">
        {(connection.syncs ?? []).map((s) => (
          <Panel key={s.id} title={`${s.left.object} ↔ ${s.right.object}`}>
            <dl className="facts">
              <dt>Direction</dt>
              <dd>{directionWords[s.direction]}</dd>
              <dt>Pulls</dt>
              <dd>{scheduleWords[s.schedule]}</dd>
              <dt>First sync</dt>
              <dd>{s.initial === 'all' ? 'all records' : 'only what changes from now on'}</dd>
              <dt>Rules</dt>
              <dd>{(s.rules ?? []).length || 'none: everybody'}</dd>
              <dt>Mappings</dt>
              <dd>{(s.mappings ?? []).filter((m) => m.enabled !== false).length}</dd>
              <dt>Conflicts</dt>
              <dd>
                {s.conflict === 'review'
                  ? 'a person decides'
                  : s.conflict === 'newest'
                    ? 'the newest wins'
                    : `${s.conflict === 'left' ? ends.left.name : ends.right.name} wins`}
              </dd>
            </dl>
          </Panel>
        ))}
        <Panel title="Worth knowing">
          {warnings.length ? (
            <ul className="problem-items">
              {warnings.map((w) => (
                <li key={w}>{w}</li>
              ))}
            </ul>
          ) : (
            <Text size="sm">Nothing in particular.</Text>
          )}
        </Panel>
      </div>
      <Readiness connection={connection} />
      {doc.report && <ReportNote report={doc.report} />}
      {(doc.check.error ?? plan.error) != null && <Failure error={doc.check.error ?? plan.error} />}
      <Group justify="space-between">
        <Button
          variant="default"
          component={Link}
          to="/new/$connection/$step"
          params={{ connection: connection.id, step: 'mappings' } as never}
        >
          Back
        </Button>
        <Group gap="xs">
          <Button variant="default" loading={doc.check.isPending} onClick={() => doc.check.mutate()}>
            Check everything
          </Button>
          <Button
            variant="default"
            loading={plan.isPending}
            disabled={doc.dirty}
            onClick={() => plan.mutate(undefined)}
          >
            Show the plan first
          </Button>
          <Button
            disabled={doc.dirty || connection.status !== 'draft'}
            leftSection={<Icon name="play" size={13} />}
            onClick={() => setAsking(true)}
          >
            Start syncing now
          </Button>
        </Group>
      </Group>
      <StartDialog opened={asking} close={() => setAsking(false)} connection={connection} start={start} />
    </Stack>
  );
}
