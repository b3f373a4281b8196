import { Group, Text, Title } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';

let first = true;

/** Page is a screen's head: its name in the tab, its heading, and what can be done. */
export function Page({
  title,
  name,
  above,
  sub,
  badge,
  actions,
  children,
}: {
  title: ReactNode;
  /** Of the tab; never a field's value. */
  name: string;
  above?: ReactNode;
  sub?: ReactNode;
  badge?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${name} · Lockstep`;
    // Whoever listens or uses the keyboard starts at the head of the new screen.
    if (!first) heading.current?.focus({ preventScroll: true });
    first = false;
  }, [name]);
  return (
    <div className="page">
      <header className="page-head">
        <div className="page-title">
          {above}
          <Group gap="sm" wrap="wrap">
            <Title order={1} ref={heading} tabIndex={-1}>
              {title}
            </Title>
            {badge}
          </Group>
          {sub && (
            <Text size="sm" c="var(--soft)">
              {sub}
            </Text>
          )}
        </div>
        {actions && <Group gap="xs">{actions}</Group>}
      </header>
      {children}
    </div>
  );
}

export function Panel({
  title,
  actions,
  children,
  id,
}: {
  title?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  id?: string;
}) {
  return (
    <section className="panel" {...(id ? { id } : {})}>
      {title && (
        <div className="panel-head">
          <Title order={2}>{title}</Title>
          {actions && <Group gap="xs">{actions}</Group>}
        </div>
      )}
      <div className="panel-body">{children}</div>
    </section>
  );
}
