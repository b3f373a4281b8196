import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { Connections } from '../screens/connections';
import { Failure, Loading } from '../ui/basics';
import { Page } from '../ui/page';
import { Shell } from './shell';

type Search = Record<string, unknown>;
const text = (v: unknown) => (typeof v === 'string' && v !== '' ? v : undefined);
const oneOf = <T extends string>(v: unknown, all: readonly T[]) => all.find((a) => a === v);

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <Page title="There is no such page" name="Not found">
      The address may be of another version of Lockstep, or mistyped.
    </Page>
  ),
  errorComponent: ({ error, reset }) => (
    <Page title="This screen cannot be shown" name="Error">
      <Failure error={error} again={reset} />
    </Page>
  ),
});

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/connections' });
  },
});

const connections = createRoute({
  getParentRoute: () => root,
  path: '/connections',
  validateSearch: (s: Search): { status?: string } =>
    ({ ...(text(s.status) ? { status: text(s.status) } : {}) }) as { status?: string },
  component: Connections, // the first screen comes with the first load
});

const fresh = createRoute({
  getParentRoute: () => root,
  path: '/new',
  validateSearch: (s: Search) =>
    clean({ left: text(s.left), right: text(s.right), step: oneOf(s.step, ['apps', 'accounts'] as const) }),
  component: lazyRouteComponent(() => import('../screens/new'), 'NewConnection'),
});
const draft = createRoute({
  getParentRoute: () => root,
  path: '/new/$connection/$step',
  component: lazyRouteComponent(() => import('../screens/new'), 'DraftConnection'),
});

const connection = createRoute({
  getParentRoute: () => root,
  path: '/connections/$connection',
  component: lazyRouteComponent(() => import('../screens/connection'), 'ConnectionFrame'),
});
const status = createRoute({
  getParentRoute: () => connection,
  path: '/',
  component: lazyRouteComponent(() => import('../screens/status'), 'Status'),
});
const records = createRoute({
  getParentRoute: () => connection,
  path: '/records',
  validateSearch: (s: Search) => clean({ sync: text(s.sync), state: text(s.state), code: text(s.code) }),
  component: lazyRouteComponent(() => import('../screens/records'), 'Records'),
});
const record = createRoute({
  getParentRoute: () => connection,
  path: '/records/$sync/$side/$record',
  component: lazyRouteComponent(() => import('../screens/record'), 'RecordPage'),
});
const conflicts = createRoute({
  getParentRoute: () => connection,
  path: '/conflicts',
  validateSearch: (s: Search) =>
    clean({ sync: text(s.sync), kind: oneOf(s.kind, ['conflict', 'duplicate'] as const), at: text(s.at) }),
  component: lazyRouteComponent(() => import('../screens/conflicts'), 'Conflicts'),
});
const logSearch = (s: Search) =>
  clean({
    connection: text(s.connection),
    sync: text(s.sync),
    range: oneOf(s.range, ['today', 'last_7_days', 'this_month', 'last_month', 'between'] as const),
    from: text(s.from),
    to: text(s.to),
    event: oneOf(s.event, ['new', 'updated', 'failed'] as const),
    job: oneOf(s.job, ['success', 'failure'] as const),
    outcome: oneOf(s.outcome, ['success', 'error'] as const),
    side: oneOf(s.side, ['left', 'right'] as const),
    record: text(s.record),
    run: text(s.run),
    code: text(s.code),
    entry: text(s.entry),
  });
const connectionLog = createRoute({
  getParentRoute: () => connection,
  path: '/log',
  validateSearch: logSearch,
  component: lazyRouteComponent(() => import('../screens/log'), 'ConnectionLog'),
});
const plans = createRoute({
  getParentRoute: () => connection,
  path: '/plan',
  validateSearch: (s: Search) =>
    clean({ plan: text(s.plan), action: text(s.action), field: text(s.field), rule: text(s.rule) }),
  component: lazyRouteComponent(() => import('../screens/plan'), 'Plan'),
});
const connectionRuns = createRoute({
  getParentRoute: () => connection,
  path: '/runs',
  component: lazyRouteComponent(() => import('../screens/runs'), 'ConnectionRuns'),
});
const rules = createRoute({
  getParentRoute: () => connection,
  path: '/rules',
  component: lazyRouteComponent(() => import('../screens/rules'), 'RulesPage'),
});
const match = createRoute({
  getParentRoute: () => connection,
  path: '/match',
  component: lazyRouteComponent(() => import('../screens/match'), 'MatchPage'),
});
const mappings = createRoute({
  getParentRoute: () => connection,
  path: '/mappings',
  component: lazyRouteComponent(() => import('../screens/mappings'), 'MappingsPage'),
});
const settings = createRoute({
  getParentRoute: () => connection,
  path: '/settings',
  component: lazyRouteComponent(() => import('../screens/settings'), 'SettingsPage'),
});
const danger = createRoute({
  getParentRoute: () => connection,
  path: '/danger',
  component: lazyRouteComponent(() => import('../screens/danger'), 'Danger'),
});

const log = createRoute({
  getParentRoute: () => root,
  path: '/log',
  validateSearch: logSearch,
  component: lazyRouteComponent(() => import('../screens/log'), 'WholeLog'),
});
const runs = createRoute({
  getParentRoute: () => root,
  path: '/runs',
  component: lazyRouteComponent(() => import('../screens/runs'), 'AllRuns'),
});
const run = createRoute({
  getParentRoute: () => root,
  path: '/runs/$run',
  component: lazyRouteComponent(() => import('../screens/runs'), 'RunPage'),
});
const alerts = createRoute({
  getParentRoute: () => root,
  path: '/alerts',
  validateSearch: (s: Search) => clean({ state: oneOf(s.state, ['resolved', 'all'] as const) }),
  component: lazyRouteComponent(() => import('../screens/alerts'), 'Alerts'),
});
const dead = createRoute({
  getParentRoute: () => root,
  path: '/dead',
  validateSearch: (s: Search) => clean({ connection: text(s.connection) }),
  component: lazyRouteComponent(() => import('../screens/dead'), 'Dead'),
});
const accounts = createRoute({
  getParentRoute: () => root,
  path: '/accounts',
  component: lazyRouteComponent(() => import('../screens/accounts'), 'Accounts'),
});
const appsPage = createRoute({
  getParentRoute: () => root,
  path: '/apps',
  component: lazyRouteComponent(() => import('../screens/apps'), 'Apps'),
});
const keys = createRoute({
  getParentRoute: () => root,
  path: '/keys',
  component: lazyRouteComponent(() => import('../screens/keys'), 'Keys'),
});
const audit = createRoute({
  getParentRoute: () => root,
  path: '/audit',
  component: lazyRouteComponent(() => import('../screens/audit'), 'Audit'),
});
const usage = createRoute({
  getParentRoute: () => root,
  path: '/usage',
  validateSearch: (s: Search) => clean({ month: text(s.month) }),
  component: lazyRouteComponent(() => import('../screens/usage'), 'Usage'),
});
const codes = createRoute({
  getParentRoute: () => root,
  path: '/codes',
  validateSearch: (s: Search) => clean({ q: text(s.q) }),
  component: lazyRouteComponent(() => import('../screens/codes'), 'Codes'),
});
const workspace = createRoute({
  getParentRoute: () => root,
  path: '/workspace',
  component: lazyRouteComponent(() => import('../screens/workspace'), 'WorkspacePage'),
});
const erasures = createRoute({
  getParentRoute: () => root,
  path: '/erasures',
  component: lazyRouteComponent(() => import('../screens/erasures'), 'Erasures'),
});

/** clean drops what is not set, so that addresses stay short. */
function clean<T extends Record<string, unknown>>(all: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(all).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

const tree = root.addChildren([
  home,
  connections,
  fresh,
  draft,
  connection.addChildren([
    status,
    records,
    record,
    conflicts,
    connectionLog,
    plans,
    connectionRuns,
    rules,
    match,
    mappings,
    settings,
    danger,
  ]),
  log,
  runs,
  run,
  alerts,
  dead,
  accounts,
  appsPage,
  keys,
  audit,
  usage,
  codes,
  workspace,
  erasures,
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: 'intent',
  defaultPendingComponent: () => <Loading what="the screen" />,
  scrollRestoration: false,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

export { Outlet };
