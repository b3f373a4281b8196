import { Checkbox, Text } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { Loading } from './basics';

export interface Column<T> {
  id: string;
  header: string;
  cell: (row: T) => ReactNode;
  /** Of a CSS grid, such as "minmax(120px, 1fr)". */
  width: string;
  /** 1 stays on the narrowest screen, 2 from 640 px, 3 from 1000 px. */
  priority?: 1 | 2 | 3;
}

export interface Selection {
  chosen: ReadonlySet<string>;
  change: (chosen: Set<string>) => void;
}

const rowHeight = 38;

/**
 * Grid shows a list of any length and renders what is seen of it. One row is in
 * the order of tabs; arrows, page keys, Home and End move, Enter opens, Space
 * chooses.
 */
export function Grid<T>({
  label,
  rows,
  columns,
  keyOf,
  open,
  more,
  loading,
  selection,
  dim,
}: {
  label: string;
  rows: T[];
  columns: Column<T>[];
  keyOf: (row: T) => string;
  open?: ((row: T) => void) | undefined;
  /** Loads the next page; absent = the list ends here. */
  more?: (() => void) | undefined;
  loading?: boolean | undefined;
  selection?: Selection | undefined;
  dim?: ((row: T) => boolean) | undefined;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const middle = useMediaQuery('(min-width: 640px)', true, { getInitialValueInEffect: false });
  const wide = useMediaQuery('(min-width: 1000px)', true, { getInitialValueInEffect: false });
  const shown = columns.filter((c) => (c.priority ?? 1) === 1 || (c.priority === 2 ? middle : wide));
  const template = `${selection ? '34px ' : ''}${shown.map((c) => c.width).join(' ')}`;
  const at = Math.min(active, Math.max(rows.length - 1, 0));
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    getItemKey: (i) => (rows[i] === undefined ? i : keyOf(rows[i])),
  });
  const items = virtual.getVirtualItems();
  const lastSeen = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (more && !loading && rows.length > 0 && lastSeen >= rows.length - 20) more();
  }, [lastSeen, rows.length, more, loading]);

  const go = (to: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, to));
    setActive(next);
    virtual.scrollToIndex(next, { align: 'auto' });
    requestAnimationFrame(() =>
      box.current?.querySelector<HTMLElement>(`[data-row="${next}"]`)?.focus({ preventScroll: true }),
    );
  };
  const choose = (row: T) => {
    if (!selection) return;
    const chosen = new Set(selection.chosen);
    const key = keyOf(row);
    if (!chosen.delete(key)) chosen.add(key);
    selection.change(chosen);
  };
  const onKey = (event: KeyboardEvent, row: T) => {
    if (event.target !== event.currentTarget) return;
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 400) / rowHeight) - 2);
    const to: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length - 1,
    };
    if (event.key in to) go(to[event.key] ?? 0);
    else if (event.key === 'Enter' && open) open(row);
    else if (event.key === ' ' && selection) choose(row);
    else return;
    event.preventDefault();
  };
  const all = selection && rows.length > 0 && rows.every((r) => selection.chosen.has(keyOf(r)));

  return (
    <div
      className="grid"
      ref={box}
      role="grid"
      aria-label={label}
      aria-rowcount={more ? -1 : rows.length + 1}
      aria-colcount={shown.length + (selection ? 1 : 0)}
      {...(selection ? { 'aria-multiselectable': true } : {})}
    >
      <div className="grid-head" role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
        {selection && (
          <span role="columnheader" aria-colindex={1}>
            <Checkbox
              aria-label={all ? 'Choose none' : 'Choose all that are loaded'}
              checked={!!all}
              indeterminate={!all && selection.chosen.size > 0}
              onChange={() => selection.change(all ? new Set() : new Set(rows.map(keyOf)))}
            />
          </span>
        )}
        {shown.map((c, i) => (
          <span key={c.id} role="columnheader" aria-colindex={i + 1 + (selection ? 1 : 0)}>
            {c.header}
          </span>
        ))}
      </div>
      <div className="grid-body" role="rowgroup" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index];
          if (row === undefined) return null;
          const key = keyOf(row);
          return (
            <div
              key={item.key}
              role="row"
              data-row={item.index}
              data-dim={dim?.(row) || undefined}
              className={open ? 'grid-row grid-row-open' : 'grid-row'}
              aria-rowindex={item.index + 2}
              {...(selection ? { 'aria-selected': selection.chosen.has(key) } : {})}
              tabIndex={item.index === at ? 0 : -1}
              style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)`, height: rowHeight }}
              onFocus={() => setActive(item.index)}
              onKeyDown={(event) => onKey(event, row)}
              onClick={(event) => {
                if (open && !(event.target as HTMLElement).closest('a, button, input, label')) open(row);
              }}
            >
              {selection && (
                <span role="gridcell">
                  <Checkbox
                    aria-label={`Choose ${key}`}
                    checked={selection.chosen.has(key)}
                    onChange={() => choose(row)}
                    tabIndex={-1}
                  />
                </span>
              )}
              {shown.map((c) => (
                <span key={c.id} role="gridcell" className="cell">
                  {c.cell(row)}
                </span>
              ))}
            </div>
          );
        })}
      </div>
      {loading && more && <Loading what="more" />}
      {!more && rows.length > 12 && (
        <Text size="xs" c="var(--soft)" ta="center" p={6} aria-hidden="true">
          {rows.length} in all
        </Text>
      )}
    </div>
  );
}
