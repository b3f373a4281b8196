import { ActionIcon, Button, Text, Tooltip, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useWorkspace } from '../api/queries';
import { Failure, Loading } from '../ui/basics';
import { Icon, type IconName } from '../ui/icons';
import { may, type Right, useSession } from './session';
import { SignIn, SignInAgain } from './signin';

const groups: { name: string; items: { to: string; label: string; icon: IconName; right: Right }[] }[] = [
  {
    name: 'Sync',
    items: [
      { to: '/connections', label: 'Connections', icon: 'connections', right: 'reads' },
      { to: '/log', label: 'Log', icon: 'log', right: 'reads' },
      { to: '/runs', label: 'Runs', icon: 'runs', right: 'reads' },
      { to: '/alerts', label: 'Alerts', icon: 'bell', right: 'reads' },
      { to: '/dead', label: 'Dead items', icon: 'dead', right: 'works' },
    ],
  },
  {
    name: 'Set up',
    items: [
      { to: '/accounts', label: 'Accounts', icon: 'accounts', right: 'reads' },
      { to: '/apps', label: 'Apps', icon: 'apps', right: 'reads' },
      { to: '/codes', label: 'Codes', icon: 'codes', right: 'reads' },
    ],
  },
  {
    name: 'Workspace',
    items: [
      { to: '/workspace', label: 'Settings', icon: 'settings', right: 'reads' },
      { to: '/usage', label: 'Usage', icon: 'runs', right: 'reads' },
      { to: '/keys', label: 'Keys', icon: 'keys', right: 'admins' },
      { to: '/audit', label: 'Audit', icon: 'audit', right: 'admins' },
      { to: '/erasures', label: 'Erasures', icon: 'erase', right: 'admins' },
    ],
  },
];

export function Shell() {
  const { state, problem, again, session } = useSession();
  if (state === 'looking') {
    return (
      <main className="alone">
        <Loading what="Lockstep" />
      </main>
    );
  }
  if (state === 'unreachable') {
    return (
      <main className="alone">
        <Failure error={problem} again={again} />
      </main>
    );
  }
  if (state === 'out') return <SignIn />;
  return (
    <>
      <Frame key={`${session?.workspace} ${session?.name}`} />
      {state === 'lapsed' && <SignInAgain />}
    </>
  );
}

function Frame() {
  const { session, signOut } = useSession();
  const [menu, setMenu] = useState(false);
  const path = useRouterState({ select: (s) => s.location.pathname });
  const workspace = useWorkspace();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu closes when the screen changes
  useEffect(() => setMenu(false), [path]);
  return (
    <div className="shell">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <ActionIcon
          className="menu-button"
          variant="default"
          size="md"
          aria-label={menu ? 'Close the menu' : 'Open the menu'}
          aria-expanded={menu}
          aria-controls="menu"
          onClick={() => setMenu(!menu)}
        >
          <Icon name={menu ? 'close' : 'menu'} />
        </ActionIcon>
        <Link to="/connections" className="brand">
          <Brand /> <span>Lockstep</span>
        </Link>
      </header>
      <nav className={menu ? 'side side-open' : 'side'} id="menu" aria-label="Main">
        <Link to="/connections" className="brand side-brand">
          <Brand /> <span>Lockstep</span>
        </Link>
        {may(session, 'admins') && (
          <Button component={Link} to="/new" leftSection={<Icon name="plus" size={14} />} fullWidth mb="sm">
            New connection
          </Button>
        )}
        {groups.map((group) => {
          const items = group.items.filter((i) => may(session, i.right));
          return (
            <div key={group.name} className="side-group">
              <span className="side-head" id={`side-${group.name}`}>
                {group.name}
              </span>
              <ul aria-labelledby={`side-${group.name}`}>
                {items.map((i) => (
                  <li key={i.to}>
                    <Link
                      to={i.to}
                      className="side-link"
                      activeProps={{ 'aria-current': 'page' }}
                      activeOptions={{ includeSearch: false }}
                    >
                      <Icon name={i.icon} /> {i.label}
                    </Link>
                  </li>
                ))}
              </ul>
            </div>
          );
        })}
        <div className="side-foot">
          <div className="who">
            <Text size="sm" fw={500} truncate>
              {session?.email || session?.name}
            </Text>
            <Text size="xs" c="var(--soft)" truncate>
              {session?.operator ? 'operator' : session?.role} · {workspace.data?.data.name ?? session?.workspace}
            </Text>
          </div>
          <Scheme />
          <Tooltip label="Sign out">
            <ActionIcon variant="subtle" color="gray" aria-label="Sign out" onClick={() => void signOut()}>
              <Icon name="out" />
            </ActionIcon>
          </Tooltip>
        </div>
      </nav>
      <main id="content" className="content">
        {session?.masked && (
          <p className="masked">You are a viewer: every field value is masked, and nothing can be changed.</p>
        )}
        <Outlet />
      </main>
    </div>
  );
}

function Scheme() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  const to = scheme === 'light' ? 'dark' : 'light';
  return (
    <Tooltip label={`Use ${to} colours`}>
      <ActionIcon variant="subtle" color="gray" aria-label={`Use ${to} colours`} onClick={() => setColorScheme(to)}>
        <Icon name={scheme === 'light' ? 'moon' : 'sun'} />
      </ActionIcon>
    </Tooltip>
  );
}

export function Brand() {
  return (
    <svg width="24" height="24" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="#0f766e" />
      <path
        d="M8 12h13l-4-4M24 20H11l4 4"
        fill="none"
        stroke="#fff"
        strokeWidth="2.600"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
