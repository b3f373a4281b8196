import { CloseButton, Text } from '@mantine/core';
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react';
import { Icon } from './icons';

interface Toast {
  id: number;
  text: string;
}
const Context = createContext<(text: string) => void>(() => undefined);

/** useSay tells in a corner, and to screen readers, that something is done. */
export const useSay = () => useContext(Context);

const shownFor = 6000;
let last = 0;

export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const drop = useCallback((id: number) => setToasts((all) => all.filter((t) => t.id !== id)), []);
  const say = useCallback(
    (text: string) => {
      last++;
      const id = last;
      setToasts((all) => [...all.slice(-3), { id, text }]);
      setTimeout(() => drop(id), shownFor);
    },
    [drop],
  );
  const list = useMemo(
    () =>
      toasts.map((t) => (
        <div key={t.id} className="toast">
          <Icon name="check" />
          <Text size="sm">{t.text}</Text>
          <CloseButton size="sm" aria-label="Close this message" onClick={() => drop(t.id)} />
        </div>
      )),
    [toasts, drop],
  );
  return (
    <Context value={say}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {list}
      </div>
    </Context>
  );
}
