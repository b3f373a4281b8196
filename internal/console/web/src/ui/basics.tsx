import { Alert, Badge, Button, Group, Loader, Text, Tooltip } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { problemOf } from '../api/client';
import { useApps, useCodeBook } from '../api/queries';
import type { Value } from '../api/types';
import { ago, useTime } from '../app/format';
import { outcomeWords, runStateWords, sentence, stateWords, statusWords, undoWords, words } from '../app/words';
import { Icon, type IconName } from './icons';

/** The four states of a list or page: each says what it is, and what next. */
export function Loading({ what }: { what: string }) {
  return (
    <div className="state" role="status" aria-live="polite">
      <Loader size="sm" aria-hidden="true" />
      <Text size="sm" c="var(--soft)">
        Loading {what} …
      </Text>
    </div>
  );
}

export function Empty({
  title,
  children,
  action,
  icon = 'search',
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  icon?: IconName;
}) {
  return (
    <div className="state" role="status">
      <span className="state-icon">
        <Icon name={icon} size={22} />
      </span>
      <Text fw={600} size="sm">
        {title}
      </Text>
      {children && (
        <Text size="sm" c="var(--soft)" maw={460} ta="center">
          {children}
        </Text>
      )}
      {action}
    </div>
  );
}

/** Failure says what went wrong, why, and what to do; nothing typed is lost by it. */
export function Failure({ error, again, title }: { error: unknown; again?: () => void; title?: string }) {
  const problem = problemOf(error);
  const codes = useCodeBook();
  const code = codes.data?.find((c) => c.code === problem.code);
  if (problem.status === 403) return <NoRight detail={problem.detail} />;
  const heading =
    title ??
    (problem.status === 0
      ? 'Lockstep does not answer'
      : problem.status === 404
        ? 'There is no such thing here'
        : problem.status === 412
          ? 'Somebody else was faster'
          : problem.status === 429
            ? 'Too many requests'
            : problem.status === 401
              ? 'Your session has ended'
              : 'That did not work');
  return (
    <Alert
      color={problem.status === 404 ? 'gray' : 'red'}
      variant="light"
      title={heading}
      role="alert"
      icon={<Icon name="warn" />}
    >
      <Text size="sm">{sentence(problem.detail)}</Text>
      {problem.items.length > 0 && (
        <ul className="problem-items">
          {problem.items.slice(0, 12).map((item) => (
            <li key={item.pointer + item.detail}>
              {item.pointer && <code>{item.pointer}</code>} {item.detail}
            </li>
          ))}
          {problem.items.length > 12 && <li>and {problem.items.length - 12} more</li>}
        </ul>
      )}
      {code?.remedy && (
        <Text size="sm" mt={4}>
          <b>What to do:</b> {code.remedy}
        </Text>
      )}
      {problem.status === 412 && (
        <Text size="sm" mt={4}>
          <b>What to do:</b> load the newer version; what you typed stays.
        </Text>
      )}
      {problem.retryAfter > 0 && <Text size="sm">Try again in {Math.ceil(problem.retryAfter)} seconds.</Text>}
      <Group gap="xs" mt="xs">
        {again && (
          <Button variant="default" leftSection={<Icon name="refresh" size={14} />} onClick={again}>
            Try again
          </Button>
        )}
        <Text size="xs" c="var(--soft)">
          {problem.code}
          {problem.requestId && ` · request ${problem.requestId}`}
        </Text>
      </Group>
    </Alert>
  );
}

export function NoRight({ detail }: { detail?: string }) {
  return (
    <Empty title="You may not see or do this" icon="lock">
      {detail ? `${sentence(detail)}. ` : ''}Ask an admin for the role, or for access to the connection.
    </Empty>
  );
}

export function StateBadge({ state }: { state: string }) {
  const w = stateWords[state];
  return (
    <Badge color={w?.color ?? 'gray'} title={w?.means}>
      {w?.word ?? words(state)}
    </Badge>
  );
}

export function OutcomeBadge({ outcome, undo }: { outcome: string; undo?: boolean }) {
  const w = outcomeWords[outcome];
  return <Badge color={w?.color ?? 'gray'}>{(undo && undoWords[outcome]) || (w?.word ?? words(outcome))}</Badge>;
}

export function StatusBadge({ status, enabled = true }: { status: string; enabled?: boolean }) {
  const w = statusWords[status];
  if (!enabled && status === 'active') {
    return (
      <Badge color="yellow" title="the global toggle is off: nothing is read or written">
        Off
      </Badge>
    );
  }
  return (
    <Badge color={w?.color ?? 'gray'} title={w?.means}>
      {w?.word ?? words(status)}
    </Badge>
  );
}

export function RunStateBadge({ state }: { state: string }) {
  const w = runStateWords[state];
  return <Badge color={w?.color ?? 'gray'}>{w?.word ?? words(state)}</Badge>;
}

/** Shown writes a value of a field; a blank one says that it is blank. */
export function Shown({ value }: { value: Value | undefined }) {
  if (value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)) {
    return <span className="blank">blank</span>;
  }
  if (Array.isArray(value)) return <bdi className="value">{value.map(String).join(' · ')}</bdi>;
  if (typeof value === 'boolean') return <span className="value">{value ? 'yes' : 'no'}</span>;
  return <bdi className="value">{String(value)}</bdi>;
}

export function Moment({ at, relative }: { at: string | undefined; relative?: boolean }) {
  const time = useTime();
  if (!at) return <span className="blank">–</span>;
  return (
    <time dateTime={at} title={time.full(at)}>
      {relative ? ago(at) : time.short(at)}
    </time>
  );
}

const marks = ['#b45309', '#0369a1', '#7c3aed', '#be123c', '#15803d', '#a21caf', '#0f766e', '#9f1239'];

/** AppMark is a letter tile: no vendor's logo is ours to show. */
export function AppMark({ app, size = 22 }: { app: string; size?: number }) {
  const apps = useApps();
  const name = apps.data?.find((a) => a.id === app)?.name ?? app;
  const hue = [...app].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % marks.length, 3);
  return (
    <svg className="mark" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <rect width="24" height="24" rx="5" fill={marks[hue]} />
      <text x="12" y="16.500" textAnchor="middle" fontSize="12" fontWeight="700" fill="#fff">
        {name.charAt(0).toUpperCase()}
      </text>
    </svg>
  );
}

export function useAppName() {
  const apps = useApps();
  return (id: string | undefined) => apps.data?.find((a) => a.id === id)?.name ?? id ?? '';
}

/** Code is a code with its meaning behind it, and the dictionary one click away. */
export function CodeLink({ code }: { code: string | undefined }) {
  const codes = useCodeBook();
  if (!code) return null;
  const meaning = codes.data?.find((c) => c.code === code)?.meaning;
  return (
    <Tooltip
      label={meaning ?? 'not in the dictionary'}
      multiline
      maw={320}
      events={{ hover: true, focus: true, touch: true }}
    >
      <Link to="/codes" search={{ q: code }} className="code-link">
        {code}
      </Link>
    </Tooltip>
  );
}

export function Remedy({
  code,
  detail,
  remedy,
}: {
  code: string;
  detail?: string | undefined;
  remedy?: string | undefined;
}) {
  const codes = useCodeBook();
  const known = codes.data?.find((c) => c.code === code);
  return (
    <>
      <Text size="sm" component="span">
        {sentence(detail || known?.meaning || words(code))}.
      </Text>{' '}
      <Text size="sm" component="span" c="var(--soft)">
        {remedy || known?.remedy ? `What to do: ${remedy || known?.remedy}.` : ''}
      </Text>
    </>
  );
}

export function Note({
  tone = 'blue',
  title,
  children,
}: {
  tone?: 'blue' | 'yellow' | 'red' | 'gray';
  title?: string;
  children: ReactNode;
}) {
  return (
    <Alert
      color={tone}
      variant="light"
      icon={<Icon name={tone === 'blue' || tone === 'gray' ? 'check' : 'warn'} />}
      {...(title ? { title } : {})}
    >
      <Text size="sm" component="div">
        {children}
      </Text>
    </Alert>
  );
}

export function DirectionIcon({ direction }: { direction: string }) {
  const name: IconName =
    direction === 'both' ? 'both' : direction === 'to_right' ? 'toRight' : direction === 'to_left' ? 'toLeft' : 'off';
  return <Icon name={name} />;
}
