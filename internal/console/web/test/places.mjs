// Every screen, and the call that its list stands on.
export const places = (connection, sync = 'contacts') => {
  const c = `/connections/${connection}`;
  return [
    { name: 'connections', path: '/connections', list: '**/v1/connections?*' },
    { name: 'new: apps', path: '/new?left=hubspot', list: '**/v1/apps?*' },
    { name: 'new: accounts', path: '/new?left=hubspot&right=salesforce&step=accounts', list: '**/v1/accounts?*' },
    { name: 'status', path: c, list: `**/v1/connections/${connection}/status` },
    { name: 'records', path: `${c}/records`, list: '**/records?*', ten: true },
    { name: 'conflicts', path: `${c}/conflicts?kind=duplicate`, list: '**/records?*' },
    { name: 'log of one', path: `${c}/log`, list: '**/v1/log?*', ten: true },
    { name: 'plans', path: `${c}/plan`, list: '**/v1/runs?*' },
    { name: 'runs of one', path: `${c}/runs`, list: '**/v1/runs?*' },
    { name: 'rules', path: `${c}/rules`, list: `**/v1/connections/${connection}` },
    { name: 'match', path: `${c}/match`, list: `**/v1/connections/${connection}` },
    { name: 'mappings', path: `${c}/mappings`, list: `**/v1/connections/${connection}` },
    { name: 'settings', path: `${c}/settings`, list: `**/v1/connections/${connection}` },
    { name: 'danger', path: `${c}/danger`, list: '**/webhooks', admin: true },
    { name: 'log', path: '/log', list: '**/v1/log?*' },
    { name: 'runs', path: '/runs', list: '**/v1/runs?*' },
    { name: 'alerts', path: '/alerts', list: '**/v1/alerts?*' },
    { name: 'dead items', path: '/dead', list: '**/v1/dead-letters?*', works: true },
    { name: 'accounts', path: '/accounts', list: '**/v1/accounts?*' },
    { name: 'apps', path: '/apps', list: '**/v1/apps?*' },
    { name: 'keys', path: '/keys', list: '**/v1/keys?*', admin: true },
    { name: 'audit', path: '/audit', list: '**/v1/audit?*', admin: true },
    { name: 'usage', path: '/usage', list: '**/v1/usage?*' },
    { name: 'codes', path: '/codes', list: '**/v1/codes?*' },
    { name: 'workspace', path: '/workspace', list: '**/v1/workspace' },
    { name: 'erasures', path: '/erasures', list: '**/v1/erasures?*', admin: true },
  ].map((p) => ({ ...p, sync }));
};
