import { Button, Group, Select, Stack, TextInput } from '@mantine/core';
import { useState } from 'react';
import { call } from '../api/client';
import type { Side } from '../api/types';
import { useAction } from '../ui/action';
import { Failure } from '../ui/basics';
import { Dialog } from '../ui/dialogs';
import type { Editing } from './editing';

const newTypes = ['text', 'email', 'phone', 'number', 'boolean', 'date', 'datetime', 'option', 'options', 'url'];

export function CustomField({
  side,
  connection,
  sync,
  ends,
  refresh,
  close,
}: Editing & { side: Side; close: () => void }) {
  const [label, setLabel] = useState('');
  const [type, setType] = useState('text');
  const [options, setOptions] = useState('');
  const make = useAction(
    (_: undefined, key) =>
      call('post', '/v1/accounts/{id}/objects/{object}/fields', {
        path: { id: connection[side].account, object: sync[side].object },
        key,
        body: {
          label: label.trim(),
          name: label
            .trim()
            .toLowerCase()
            .replace(/[^a-z0-9]+/g, '_'),
          type: type as 'text',
          ...(type.startsWith('option')
            ? {
                options: options
                  .split(',')
                  .map((o) => o.trim())
                  .filter(Boolean)
                  .map((o) => ({ value: o, label: o })),
              }
            : {}),
        },
      }),
    {
      say: 'The field is there; map it now',
      done: () => {
        refresh();
        close();
      },
    },
  );
  return (
    <Dialog opened close={close} title={`A custom field in ${ends[side].name}`}>
      <Stack gap="sm">
        <TextInput label="Label" value={label} onChange={(e) => setLabel(e.currentTarget.value)} data-autofocus />
        <Select label="Type" data={newTypes} value={type} onChange={(v) => setType(v ?? 'text')} />
        {type.startsWith('option') && (
          <TextInput
            label="Options"
            description="Separated by commas"
            value={options}
            onChange={(e) => setOptions(e.currentTarget.value)}
          />
        )}
        {make.error != null && <Failure error={make.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button disabled={!label.trim()} loading={make.isPending} onClick={() => make.mutate(undefined)}>
            Make it
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
