import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import { ApiProblem, call, problemOf, type Schema } from '../api/client';

export type Session = Schema<'SessionView'>;
export type Right = 'reads' | 'works' | 'admins' | 'operates';

/** may tells what a role lets one do; the API decides by the same table. */
export function may(session: Session | undefined, right: Right) {
  if (!session) return false;
  switch (right) {
    case 'reads':
      return true;
    case 'works':
      return session.role !== 'viewer';
    case 'admins':
      return session.role === 'admin';
    case 'operates':
      return session.operator;
  }
}

interface Signed {
  session: Session | undefined;
  /** looking: not known yet; out: nobody; lapsed: somebody was, and what they typed is still here. */
  state: 'looking' | 'out' | 'in' | 'lapsed' | 'unreachable';
  problem: ApiProblem | undefined;
  signIn: (key: string) => Promise<void>;
  signOut: () => Promise<void>;
  lapse: () => void;
  again: () => void;
}

const Context = createContext<Signed | undefined>(undefined);

export function useSession(): Signed {
  const value = useContext(Context);
  if (!value) throw new Error('no session around this part of the page');
  return value;
}

export const useMay = (right: Right) => may(useSession().session, right);

/** keyFromLink takes the key out of the address, so that it stays in no history. */
function keyFromLink(): string {
  const key = new URLSearchParams(window.location.hash.slice(1)).get('key') ?? '';
  if (key) window.history.replaceState(null, '', window.location.pathname + window.location.search);
  return key;
}

const linked = keyFromLink();

export function SessionProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [lapsed, setLapsed] = useState(false);
  const query = useQuery({
    queryKey: ['session'],
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => {
      if (linked) {
        try {
          return (await call('post', '/v1/session', { token: linked })).data;
        } catch (error) {
          if (problemOf(error).status !== 401) throw error; // an old link: perhaps a session is there
        }
      }
      try {
        return (await call('get', '/v1/session', { signal })).data;
      } catch (error) {
        if (problemOf(error).status === 401) return null;
        throw error;
      }
    },
  });
  const session = query.data ?? undefined;

  const signIn = useCallback(
    async (key: string) => {
      const { data } = await call('post', '/v1/session', { token: key });
      const before = client.getQueryData<Session | null>(['session']);
      client.setQueryData(['session'], data);
      setLapsed(false);
      // Another caller may see other things: nothing of the former one stays.
      if (before && (before.workspace !== data.workspace || before.role !== data.role || before.name !== data.name)) {
        client.removeQueries({ predicate: (q) => q.queryKey[0] !== 'session' && !q.isActive() });
      }
      await client.invalidateQueries({ predicate: (q) => q.queryKey[0] !== 'session' });
    },
    [client],
  );
  const signOut = useCallback(async () => {
    try {
      await call('delete', '/v1/session');
    } catch (error) {
      if (problemOf(error).status !== 401) throw error;
    }
    setLapsed(false);
    client.setQueryData(['session'], null);
    client.removeQueries({ predicate: (q) => q.queryKey[0] !== 'session' });
  }, [client]);
  const lapse = useCallback(() => {
    if (client.getQueryData(['session'])) setLapsed(true);
  }, [client]);
  useEffect(() => {
    const unsubscribe = client.getQueryCache().subscribe((event) => {
      const error = event.query.state.error;
      if (event.type === 'updated' && error instanceof ApiProblem && error.status === 401) lapse();
    });
    return unsubscribe;
  }, [client, lapse]);

  const value = useMemo<Signed>(
    () => ({
      session,
      state: query.isPending ? 'looking' : query.isError ? 'unreachable' : !session ? 'out' : lapsed ? 'lapsed' : 'in',
      problem: query.error ? problemOf(query.error) : undefined,
      signIn,
      signOut,
      lapse,
      again: () => void query.refetch(),
    }),
    [session, lapsed, query.isPending, query.isError, query.error, query.refetch, signIn, signOut, lapse],
  );
  return <Context value={value}>{children}</Context>;
}
