import { Badge, Button, Group, Text, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Schema } from '../api/client';
import { useAll, useApps } from '../api/queries';
import { number } from '../app/format';
import { readyMade } from '../app/presets';
import { useMay } from '../app/session';
import { words } from '../app/words';
import { AppMark, Empty, Failure, Loading, useAppName } from '../ui/basics';
import { Icon } from '../ui/icons';
import { Page, Panel } from '../ui/page';

export const authWords: Record<string, string> = {
  oauth2: 'Sign in at the app (OAuth)',
  token: 'Access token',
  api_key: 'API key',
  basic: 'User and password',
  key_pair: 'Key pair',
};

export function Apps() {
  const admin = useMay('admins');
  const apps = useApps();
  const presets = useAll('/v1/presets', {}, { fresh: 600_000 });
  const [text, setText] = useState('');
  const shown = (apps.data ?? []).filter((a) =>
    `${a.name} ${a.id} ${(a.objects ?? []).map((o) => o.label).join(' ')}`
      .toLowerCase()
      .includes(text.trim().toLowerCase()),
  );
  return (
    <Page title="Apps" name="Apps" sub="What can be connected, and what each app can do">
      <div className="filters">
        <TextInput
          aria-label="Search apps"
          placeholder="Search apps"
          leftSection={<Icon name="search" size={14} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          w={260}
        />
      </div>
      {apps.isPending ? (
        <Loading what="apps" />
      ) : apps.isError ? (
        <Failure error={apps.error} again={() => void apps.refetch()} />
      ) : shown.length === 0 ? (
        <Empty title="No app of this name">Apps can be added: see “adding an app” in the documentation.</Empty>
      ) : (
        <div className="columns">
          {shown.map((a) => (
            <Panel
              key={a.id}
              title={
                <Group gap={8}>
                  <AppMark app={a.id} /> {a.name}
                </Group>
              }
              actions={
                admin && (
                  <Button
                    variant="default"
                    component={Link}
                    to="/new"
                    search={{ left: a.id } as never}
                    aria-label={`Set up a connection of ${a.name}`}
                  >
                    Set up
                  </Button>
                )
              }
            >
              <dl className="facts">
                <dt>Record types</dt>
                <dd>{(a.objects ?? []).map((o) => o.label).join(', ')}</dd>
                <dt>Authorised by</dt>
                <dd>{(a.auth ?? []).map((m) => authWords[m.kind] ?? m.kind).join(', ')}</dd>
                <dt>Ready-made with</dt>
                <dd>
                  <ReadyMade app={a.id} presets={presets.data ?? []} />
                </dd>
                <dt>Limits</dt>
                <dd>
                  {a.limits.daily_calls > 0 && `${number(a.limits.daily_calls)} calls a day; `}
                  {a.limits.burst_calls > 0 &&
                    `${number(a.limits.burst_calls)} in ${a.limits.burst_window_seconds} s; `}
                  lots of {number(a.limits.write_batch)}
                </dd>
                <dt>Can do</dt>
                <dd>
                  <Group gap={4}>
                    {(a.abilities ?? []).map((ability) => (
                      <Badge key={ability} color="gray">
                        {words(ability)}
                      </Badge>
                    ))}
                  </Group>
                </dd>
              </dl>
              {(a.warnings ?? []).length > 0 && (
                <>
                  <Text size="xs" fw={600} c="var(--soft)" mt="sm">
                    Worth knowing
                  </Text>
                  <ul className="problem-items">
                    {(a.warnings ?? []).map((w) => (
                      <li key={w}>{w}</li>
                    ))}
                  </ul>
                </>
              )}
            </Panel>
          ))}
        </div>
      )}
    </Page>
  );
}

/** ReadyMade lists the apps that an app is ready-made with; each opens to what travels, direction by direction. */
function ReadyMade({ app, presets }: { app: string; presets: Schema<'Preset'>[] }) {
  const admin = useMay('admins');
  const nameOf = useAppName();
  // What is derived from the two apps alone goes without saying.
  const mine = presets.filter((p) => !p.derived && (p.left === app || p.right === app));
  if (mine.length === 0) return <span className="blank">nothing of its own; any pair can be set up</span>;
  return mine.map((p) => (
    <details key={p.id}>
      <summary>{nameOf(p.left === app ? p.right : p.left)}: learn more</summary>
      {p.description}.
      <ul className="problem-items">
        {readyMade(p).map((r) => (
          <li key={r.way}>
            <b>
              {nameOf(r.from)} <Icon name="toRight" size={12} /> {nameOf(r.to)}
            </b>
            : {r.what.join('; ')}
          </li>
        ))}
      </ul>
      {admin && (
        <Link className="link link-alone" to="/new" search={{ left: p.left, right: p.right }}>
          Set up {nameOf(p.left)} and {nameOf(p.right)}
        </Link>
      )}
    </details>
  ));
}
