import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useBlocker } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { Failure } from './basics';

export function Dialog({
  opened,
  close,
  title,
  children,
  size = 'md',
}: {
  opened: boolean;
  close: () => void;
  title: string;
  children: ReactNode;
  size?: string;
}) {
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={title}
      size={size}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
    >
      {children}
    </Modal>
  );
}

/** Confirm asks before what writes or removes; where an app's data or settings go for good, the name is typed. */
export function Confirm({
  opened,
  close,
  title,
  children,
  action,
  danger,
  typed,
  run,
  pending,
  error,
}: {
  opened: boolean;
  close: () => void;
  title: string;
  children: ReactNode;
  action: string;
  danger?: boolean;
  typed?: string;
  run: () => void;
  pending?: boolean;
  error?: unknown;
}) {
  const [text, setText] = useState('');
  const ready = typed === undefined || text === typed;
  return (
    <Dialog opened={opened} close={close} title={title}>
      <Stack gap="sm">
        <Text size="sm" component="div">
          {children}
        </Text>
        {typed !== undefined && (
          <TextInput
            label={
              <>
                Type <b>{typed}</b> to confirm
              </>
            }
            value={text}
            onChange={(e) => setText(e.currentTarget.value)}
            autoComplete="off"
            data-autofocus
          />
        )}
        {error != null && <Failure error={error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button color={danger ? 'red' : 'brand'} disabled={!ready} loading={!!pending} onClick={run}>
            {action}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

/** Unsaved keeps somebody from leaving what they typed by mistake. */
export function Unsaved({ when }: { when: boolean }) {
  const blocker = useBlocker({ shouldBlockFn: () => when, enableBeforeUnload: () => when, withResolver: true });
  return (
    <Dialog opened={blocker.status === 'blocked'} close={() => blocker.reset?.()} title="Leave without saving?">
      <Stack gap="sm">
        <Text size="sm">What you changed on this screen is not saved yet.</Text>
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={() => blocker.reset?.()} data-autofocus>
            Stay
          </Button>
          <Button color="red" onClick={() => blocker.proceed?.()}>
            Leave and lose it
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
