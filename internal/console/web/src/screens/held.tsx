import { Button, Group, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { call, type Schema } from '../api/client';
import type { Connection, Side, Sync } from '../api/types';
import { usedBy } from '../app/fit';
import { renamed } from '../app/repair';
import { useMay } from '../app/session';
import { useAction } from '../ui/action';
import { Failure } from '../ui/basics';
import { useBothFields } from './editing';

export type HeldPart = Schema<'HeldPart'>;

const screens = {
  mapping: 'mappings',
  rule: 'rules',
  action: 'rules',
  match_step: 'match',
  stamp: 'settings',
} as const;

/** Repair offers what would end that a part rests: a mapping by one click, other parts on their screen. */
export function Repair({ held, connection, sync }: { held: HeldPart; connection: Connection; sync: Sync | undefined }) {
  const admin = useMay('admins');
  const screen = screens[held.kind as keyof typeof screens] ?? 'settings';
  return (
    <Group gap="xs" align="center">
      {admin && sync && held.kind === 'mapping' && <RepairMapping held={held} connection={connection} sync={sync} />}
      <Button
        size="compact-xs"
        variant="default"
        component={Link}
        to={`/connections/$connection/${screen}`}
        params={{ connection: connection.id } as never}
      >
        Open {screen}
      </Button>
    </Group>
  );
}

function RepairMapping({ held, connection, sync }: { held: HeldPart; connection: Connection; sync: Sync }) {
  const side = held.side as Side;
  const there: Side = side === 'left' ? 'right' : 'left';
  const { fields, error, refresh, busy } = useBothFields(connection, sync);
  const mappings = sync.mappings ?? [];
  const mapping = mappings.find((m) => m.id === held.id);
  const twin = fields[there].find((f) => f.name === mapping?.[there]?.[0]);
  const proposed =
    held.code === 'field_missing' && renamed(held.field, fields[side], (name) => !!usedBy(mappings, side, name), twin);
  const repair = useAction(
    async (patch: Record<string, unknown>) => {
      const path = { id: connection.id, sync: sync.id, part: held.id };
      const now = await call('get', '/v1/connections/{id}/syncs/{sync}/mappings/{part}', { path });
      return call('patch', '/v1/connections/{id}/syncs/{sync}/mappings/{part}', {
        path,
        ifMatch: now.etag,
        body: patch as never,
      });
    },
    { say: 'Repaired: what waited for it is looked at again' },
  );
  const release = useAction(
    async (_: undefined, key) =>
      call('post', '/v1/connections/{id}/syncs/{sync}/held/{mapping}/release', {
        path: { id: connection.id, sync: sync.id, mapping: held.id },
        key,
      }),
    { say: 'It fits again: what waited for it is looked at' },
  );
  if (!mapping) return null;
  return (
    <>
      {held.repair && (
        <Button
          size="compact-xs"
          loading={repair.isPending}
          title={JSON.stringify(held.repair)}
          onClick={() => repair.mutate(held.repair as Record<string, unknown>)}
        >
          {mended(held.repair)}
        </Button>
      )}
      {proposed && (
        <Button
          size="compact-xs"
          loading={repair.isPending}
          onClick={() =>
            repair.mutate({ [side]: (mapping[side] ?? []).map((n) => (n === held.field ? proposed.name : n)) })
          }
        >
          Use {proposed.label} ({proposed.name}) instead
        </Button>
      )}
      <Button
        size="compact-xs"
        variant="default"
        loading={repair.isPending}
        onClick={() => repair.mutate({ enabled: false })}
      >
        Switch the mapping off
      </Button>
      <Button
        size="compact-xs"
        variant="default"
        loading={release.isPending || busy}
        onClick={() => {
          refresh();
          release.mutate(undefined);
        }}
      >
        Ask the app again
      </Button>
      {held.code === 'field_missing' && !proposed && !busy && !error && (
        <Text size="xs" c="var(--soft)">
          No unmapped field is like {held.field}.
        </Text>
      )}
      {(repair.error ?? release.error ?? error) != null && <Failure error={repair.error ?? release.error ?? error} />}
    </>
  );
}

/** mended says in words what a proposed patch of a mapping does. */
function mended(patch: NonNullable<HeldPart['repair']>) {
  const { direction, transform } = patch as {
    direction?: string;
    transform?: { options?: Record<string, string | null> };
  };
  if (direction) return `Write it ${direction === 'to_right' ? 'to the right' : 'to the left'} alone`;
  const lines = Object.entries(transform?.options ?? {}).filter(([, v]) => v !== null);
  return `Map ${lines.map(([k, v]) => `${k} to ${v}`).join(', ')}`;
}
