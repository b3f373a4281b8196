import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRef } from 'react';
import { problemOf } from '../api/client';
import { useSession } from '../app/session';
import { useSay } from './toasts';

/**
 * useAction carries out a change. Pressing again after a failure repeats the
 * same wish under the same key, so that it happens once; a success makes every
 * list and page look again.
 */
export function useAction<V = void, R = unknown>(
  run: (input: V, key: string) => Promise<R>,
  options: { done?: (result: R, input: V) => void; say?: string | ((result: R) => string) } = {},
) {
  const client = useQueryClient();
  const { lapse } = useSession();
  const say = useSay();
  const wish = useRef({ text: '', key: '' });
  return useMutation<R, unknown, V>({
    mutationFn: (input) => {
      const text = JSON.stringify(input ?? null);
      if (wish.current.text !== text || !wish.current.key) wish.current = { text, key: crypto.randomUUID() };
      return run(input, wish.current.key);
    },
    onSuccess: (result, input) => {
      wish.current = { text: '', key: '' };
      if (options.say) say(typeof options.say === 'string' ? options.say : options.say(result));
      void client.invalidateQueries({ predicate: (q) => q.queryKey[0] !== 'session' });
      options.done?.(result, input);
    },
    onError: (error) => {
      const { status } = problemOf(error);
      if (status === 401) lapse();
      if (status !== 0 && status < 500 && status !== 401 && status !== 429) wish.current = { text: '', key: '' };
    },
  });
}
