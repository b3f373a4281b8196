import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { type Answer, call, type Options, problemOf } from './client';
import type { paths } from './schema';

type GetPath = {
  [P in keyof paths]: NonNullable<paths[P]['get']> extends { responses: unknown } ? P : never;
}[keyof paths];

/** Nothing is gained by asking again what was refused. */
export const retry = (failures: number, error: unknown) => {
  const { status } = problemOf(error);
  return failures < 2 && (status === 0 || status >= 500);
};

const keyOf = (path: string, options: { path?: unknown; query?: unknown }) => [
  path,
  options.path ?? {},
  options.query ?? {},
];

/** useGet reads one resource; its ETag is what a change of it needs. */
export function useGet<P extends GetPath>(
  path: P,
  options: Options<P, 'get'> = {},
  more: { enabled?: boolean; every?: number; keep?: boolean; fresh?: number } = {},
) {
  const query = useQuery({
    queryKey: keyOf(path, options),
    queryFn: ({ signal }) => call('get', path, { ...options, signal }),
    enabled: more.enabled ?? true,
    retry,
    ...(more.every ? { refetchInterval: more.every } : {}),
    ...(more.keep ? { placeholderData: keepPreviousData } : {}),
    ...(more.fresh ? { staleTime: more.fresh } : {}),
  });
  return query;
}

type PostPath = {
  [P in keyof paths]: NonNullable<paths[P]['post']> extends { responses: unknown } ? P : never;
}[keyof paths];

/** useAsk asks what is a POST for its body alone and changes nothing, such as a preview. */
export function useAsk<P extends PostPath>(
  path: P,
  options: Options<P, 'post'>,
  more: { enabled?: boolean; fresh?: number } = {},
) {
  return useQuery({
    queryKey: ['ask', ...keyOf(path, options), options.body],
    queryFn: ({ signal }) => call('post', path, { ...options, signal }),
    enabled: more.enabled ?? true,
    retry,
    placeholderData: keepPreviousData,
    staleTime: more.fresh ?? 60_000,
  });
}

interface PageOf<T> {
  items: T[];
  next?: string;
}
type ItemOf<P extends GetPath> = Answer<P, 'get'> extends PageOf<infer T> ? T : never;

/** useList reads a list page by page, as far as somebody scrolls. */
export function useList<P extends GetPath>(
  path: P,
  options: Options<P, 'get'> = {},
  more: { enabled?: boolean; every?: number; limit?: number } = {},
) {
  const query = useInfiniteQuery({
    queryKey: ['list', ...keyOf(path, options)],
    initialPageParam: '',
    queryFn: async ({ signal, pageParam }) => {
      const asked = { ...(options.query as object), limit: more.limit ?? 100, cursor: pageParam || undefined };
      const { data } = await call('get', path, { ...options, query: asked as never, signal });
      return data as unknown as PageOf<ItemOf<P>>;
    },
    getNextPageParam: (last) => last.next || undefined,
    enabled: more.enabled ?? true,
    retry,
    placeholderData: keepPreviousData,
    ...(more.every ? { refetchInterval: more.every } : {}),
  });
  const items = useMemo(() => query.data?.pages.flatMap((p) => p.items) ?? [], [query.data]);
  return { ...query, items };
}

/** useAll reads a list that is short by nature to its end. */
export function useAll<P extends GetPath>(
  path: P,
  options: Options<P, 'get'> = {},
  more: { enabled?: boolean; fresh?: number; passive?: boolean } = {},
) {
  return useQuery({
    queryKey: ['all', ...keyOf(path, options)],
    queryFn: async ({ signal }) => {
      const items: ItemOf<P>[] = [];
      let cursor: string | undefined;
      for (let page = 0; page < 50; page++) {
        const asked = { ...(options.query as object), limit: 200, cursor };
        const { data } = await call('get', path, { ...options, query: asked as never, signal });
        const got = data as unknown as PageOf<ItemOf<P>>;
        items.push(...got.items);
        cursor = got.next || undefined;
        if (!cursor) break;
      }
      return items;
    },
    enabled: more.enabled ?? true,
    retry,
    staleTime: more.fresh ?? 30_000,
    // What only explains something else must not start again what has just failed.
    retryOnMount: !more.passive,
  });
}

export const useApps = () => useAll('/v1/apps', {}, { fresh: 600_000 });
export const useAccounts = () => useAll('/v1/accounts');
export const useCodes = () => useAll('/v1/codes', {}, { fresh: 3_600_000 });
export const useCodeBook = () => useAll('/v1/codes', {}, { fresh: 3_600_000, passive: true });
export const useWorkspace = (enabled = true) => useGet('/v1/workspace', {}, { fresh: 300_000, enabled });
export const useConnection = (id: string) => useGet('/v1/connections/{id}', { path: { id } });
export const useFields = (account: string | undefined, object: string | undefined) =>
  useAll(
    '/v1/accounts/{id}/objects/{object}/fields',
    { path: { id: account ?? '', object: object ?? '' } },
    { enabled: !!account && !!object, fresh: 300_000 },
  );
