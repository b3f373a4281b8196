import { Button, Modal, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { problemOf } from '../api/client';
import { Note } from '../ui/basics';
import { useSession } from './session';
import { Brand } from './shell';

function Form() {
  const { signIn } = useSession();
  const [key, setKey] = useState('');
  const [wrong, setWrong] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setWrong('');
    try {
      await signIn(key.trim());
      setKey('');
    } catch (error) {
      const { status, detail, retryAfter } = problemOf(error);
      setWrong(
        status === 401
          ? 'This key is not known, or has expired.'
          : status === 429
            ? `Too many wrong keys came from here: wait ${Math.ceil(retryAfter)} seconds.`
            : detail,
      );
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="sm">
        <PasswordInput
          label="Key"
          description="An API key, as lockstep serve printed it or an admin made it"
          value={key}
          onChange={(e) => setKey(e.currentTarget.value)}
          error={wrong}
          autoComplete="off"
          spellCheck={false}
          required
          data-autofocus
          size="sm"
          visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the key' }}
        />
        <Button type="submit" loading={busy} disabled={key.trim() === ''} size="sm">
          Sign in
        </Button>
      </Stack>
    </form>
  );
}

export function SignIn() {
  return (
    <main className="alone">
      <title>Sign in · Lockstep</title>
      <div className="signin">
        <div className="brand">
          <Brand /> <span>Lockstep</span>
        </div>
        <Title order={1}>Sign in</Title>
        <Text size="sm" c="var(--soft)" mb="md">
          Keeps the people of two CRM accounts in step, both ways, and can say why it did what it did.
        </Text>
        <Form />
        <Text size="xs" c="var(--soft)" mt="md">
          The key is traded for a session of twelve hours and is kept nowhere in this browser.
        </Text>
      </div>
    </main>
  );
}

/** SignInAgain stands over the screen whose session has ended: what was typed there stays. */
export function SignInAgain() {
  return (
    <Modal
      opened
      onClose={() => undefined}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title="Sign in again"
      centered
    >
      <Stack gap="sm">
        <Note tone="gray">Your session has ended. What you typed is still on the screen behind this.</Note>
        <Form />
      </Stack>
    </Modal>
  );
}
