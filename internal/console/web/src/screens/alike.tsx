import { Button, Group as Row, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '../api/client';
import { retry } from '../api/queries';
import type { Explanation, RecordView, Side, Value } from '../api/types';
import type { Group } from '../app/groups';
import { useAction } from '../ui/action';
import { Failure, Loading, Shown } from '../ui/basics';
import { Dialog } from '../ui/dialogs';
import { openFields } from './record';

type Decided = NonNullable<Explanation['fields']>[number];

interface Like {
  key: string;
  record: RecordView;
  fields: Decided[];
}

/** How many others are looked at: each takes a look at both apps. */
const most = 100;

/**
 * Alike makes the same choice of sides for the other pairs in whose place the
 * same fields wait, after saying how many these are and what some would get.
 */
export function Alike({
  connection,
  sync,
  choices,
  others,
  close,
  done,
}: {
  connection: string;
  sync: string;
  /** Of each mapping that waits, the side that wins. */
  choices: Record<string, Side>;
  others: Group[];
  close: () => void;
  done: (keys: string[]) => void;
}) {
  const [written, setWritten] = useState<string[]>([]);
  const asked = others.slice(0, most);
  const path = (r: RecordView) => ({ id: connection, sync, side: r.side as Side, record: r.id }) as never;
  const wanted = Object.keys(choices).sort().join(' ');
  const look = useQuery({
    queryKey: ['alike', connection, sync, wanted, asked.map((g) => g.key).join(' ')],
    queryFn: async ({ signal }) => {
      const found: Like[] = [];
      for (const { key, record } of asked) {
        const { data } = await call('get', '/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/explain', {
          path: path(record),
          signal,
        });
        const fields = openFields(data);
        const same =
          fields
            .map((f) => f.mapping)
            .sort()
            .join(' ') === wanted;
        if (same) found.push({ key, record, fields });
      }
      return found;
    },
    retry,
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY, // what is asked about stays what is written
  });
  const write = useAction(
    async (all: Like[], key) => {
      const through: string[] = [];
      for (const one of all) {
        await call('post', '/v1/connections/{id}/syncs/{sync}/records/{side}/{record}/resolve', {
          path: path(one.record),
          body: { fields: choices } as never,
          key: `${key}.${one.record.id}`,
        });
        through.push(one.key);
        setWritten([...through]);
      }
      return through;
    },
    { say: (keys) => `Decided: ${keys.length} are being written`, done: (keys) => done(keys) },
  );
  const found = look.data ?? [];
  return (
    <Dialog opened close={close} title="The same for others like it" size="lg">
      <Stack gap="sm">
        {look.isPending ? (
          <Loading what="the others, to see which wait for the same fields" />
        ) : look.isError ? (
          <Failure error={look.error} again={() => void look.refetch()} />
        ) : (
          <>
            <Text size="sm" role="status">
              {found.length} of {asked.length} others that are listed wait for the same fields
              {write.isPending && `; ${written.length} of ${found.length} decided`}.
            </Text>
            {found.length > 0 && (
              <table className="plain">
                <thead>
                  <tr>
                    <th scope="col">Record</th>
                    <th scope="col">Both get</th>
                    <th scope="col">Lost</th>
                  </tr>
                </thead>
                <tbody>
                  {found.slice(0, 3).flatMap((one) =>
                    one.fields.map((f) => {
                      const side = choices[f.mapping] ?? 'left';
                      return (
                        <tr key={`${one.key} ${f.mapping}`}>
                          <td className="mono">{one.record.id}</td>
                          <td className="after">
                            <Shown value={f[side] as Value} />
                          </td>
                          <td className="before">
                            <Shown value={f[side === 'left' ? 'right' : 'left'] as Value} />
                          </td>
                        </tr>
                      );
                    }),
                  )}
                </tbody>
              </table>
            )}
          </>
        )}
        {write.error != null && (
          <Failure
            error={write.error}
            title={`${written.length} of ${found.length} are decided; the rest are as they were`}
          />
        )}
        <Row justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            {written.length > 0 ? 'Close' : 'Cancel'}
          </Button>
          <Button
            disabled={found.length === 0}
            loading={write.isPending}
            onClick={() => write.mutate(found)}
            data-autofocus
          >
            Write these {found.length}
          </Button>
        </Row>
      </Stack>
    </Dialog>
  );
}
