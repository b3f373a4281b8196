import { Button, Group, NumberInput, Select, Stack, Text, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { call, problemOf } from '../api/client';
import { useList, useWorkspace } from '../api/queries';
import { merge, same } from '../app/merge';
import { patchOf } from '../app/patch';
import { useMay } from '../app/session';
import { useAction } from '../ui/action';
import { Failure, Loading, Note } from '../ui/basics';
import { Unsaved } from '../ui/dialogs';
import { Page, Panel } from '../ui/page';

const zones = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((z) => z !== 'UTC')];

export function WorkspacePage() {
  const admin = useMay('admins');
  const operator = useMay('operates');
  const query = useWorkspace();
  const got = query.data;
  const [seen, setSeen] = useState(got);
  const [edited, setEdited] = useState(got?.data);
  const [merged, setMerged] = useState(false);
  const dirty = !!seen && !!edited && !same(seen.data, edited);
  useEffect(() => {
    if (!got || dirty) return;
    setSeen(got);
    setEdited(got.data);
  }, [got, dirty]);
  const save = useAction(async () => {
    if (!seen || !edited) return;
    try {
      const answer = await call('patch', '/v1/workspace', {
        ifMatch: seen.etag,
        body: patchOf(seen.data, edited) as never,
      });
      setSeen(answer);
      setEdited(answer.data);
      setMerged(false);
    } catch (error) {
      if (problemOf(error).status !== 412) throw error;
      const now = await call('get', '/v1/workspace');
      setEdited(merge(seen.data, edited, now.data).merged);
      setSeen(now);
      setMerged(true);
    }
  }, {});
  if (query.isPending || !edited)
    return query.isError ? (
      <Failure error={query.error} again={() => void query.refetch()} />
    ) : (
      <Loading what="the workspace" />
    );
  return (
    <Page title="Workspace" name="Workspace">
      <Unsaved when={dirty} />
      <Panel title="Settings">
        <Stack gap="sm" maw={420}>
          <TextInput
            label="Name"
            description="For people only"
            value={edited.name}
            disabled={!admin}
            onChange={(e) => setEdited({ ...edited, name: e.currentTarget.value })}
          />
          <Select
            label="Time zone"
            description="Of all dates and times here, and of the days by which the log is filtered"
            searchable
            data={zones.includes(edited.time_zone) ? zones : [edited.time_zone, ...zones]}
            value={edited.time_zone}
            disabled={!admin}
            onChange={(v) => v && setEdited({ ...edited, time_zone: v })}
          />
          <NumberInput
            label="Days that the log is kept"
            value={edited.log_days}
            min={1}
            disabled={!admin}
            onChange={(v) => setEdited({ ...edited, log_days: Number(v) || 0 })}
          />
          {merged && (
            <Note tone="blue">
              Somebody else saved meanwhile: what they changed is taken over where you did not. Save again.
            </Note>
          )}
          {save.error != null && <Failure error={save.error} title="Not saved; what you typed is still here" />}
          {admin && (
            <Group gap="xs">
              <Button disabled={!dirty} loading={save.isPending} onClick={() => save.mutate()}>
                Save
              </Button>
              {dirty && (
                <Button variant="subtle" color="gray" onClick={() => setEdited(seen?.data)}>
                  Discard
                </Button>
              )}
            </Group>
          )}
          <Text size="xs" c="var(--soft)" className="mono">
            {edited.id}
          </Text>
        </Stack>
      </Panel>
      {operator && <Workspaces />}
    </Page>
  );
}

function Workspaces() {
  const list = useList('/v1/workspaces');
  const [name, setName] = useState('');
  const make = useAction((_: undefined, key) => call('post', '/v1/workspaces', { key, body: { name: name.trim() } }), {
    say: 'Workspace made',
    done: () => setName(''),
  });
  return (
    <Panel title="All workspaces">
      <Stack gap="sm">
        {list.isError && <Failure error={list.error} again={() => void list.refetch()} />}
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">ID</th>
              <th scope="col">Time zone</th>
            </tr>
          </thead>
          <tbody>
            {list.items.map((w) => (
              <tr key={w.id}>
                <td>{w.name}</td>
                <td className="mono">{w.id}</td>
                <td>{w.time_zone}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <form
          onSubmit={(e) => {
            e.preventDefault();
            make.mutate(undefined);
          }}
        >
          <Group gap="xs" align="flex-end">
            <TextInput label="New workspace" value={name} onChange={(e) => setName(e.currentTarget.value)} />
            <Button type="submit" variant="default" disabled={!name.trim()} loading={make.isPending}>
              Make it
            </Button>
          </Group>
        </form>
        {make.error != null && <Failure error={make.error} />}
      </Stack>
    </Panel>
  );
}
