import type { components, paths } from './schema';

export type Schema<K extends keyof components['schemas']> = components['schemas'][K];

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
type PathWith<M extends Method> = {
  [P in keyof paths]: NonNullable<paths[P][M]> extends { responses: unknown } ? P : never;
}[keyof paths];
type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;
type Content<T> = T extends { content: infer C } ? C[keyof C] : undefined;
type Responses<O> = O extends { responses: infer R } ? R : never;
export type Answer<P extends keyof paths, M extends Method> = Content<
  Responses<Operation<P, M>>[keyof Responses<Operation<P, M>> & (200 | 201 | 202 | 204)]
>;
type PathParams<O> = O extends { parameters: { path: infer V } } ? V : undefined;
type Query<O> = O extends { parameters: { query?: infer V } } ? V : undefined;
type Body<O> = O extends { requestBody?: infer B } ? Content<NonNullable<B>> : undefined;

export interface Options<P extends keyof paths, M extends Method> {
  path?: PathParams<Operation<P, M>>;
  query?: Query<Operation<P, M>>;
  body?: Body<Operation<P, M>>;
  ifMatch?: string;
  /** Of a POST: the same text for each try of the same wish, so that it happens once. */
  key?: string;
  signal?: AbortSignal;
  /** An API key instead of the session's cookie. */
  token?: string;
}

export interface Got<T> {
  data: T;
  etag: string;
  location: string;
}

export type ProblemItem = { pointer: string; detail: string; code?: string };

/** What the API refused, in its own words; status 0 = it did not answer. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly items: ProblemItem[] = [],
    readonly requestId = '',
    readonly retryAfter = 0,
  ) {
    super(detail);
    this.name = 'ApiProblem';
  }
}

export function problemOf(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  return new ApiProblem(0, 'page_error', error instanceof Error ? error.message : String(error));
}

/** fill puts values into the placeholders of a path. */
export function fill(path: string, values: Record<string, unknown> | undefined, query?: Record<string, unknown>) {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(values?.[name] ?? '')));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${filled}?${text}` : filled;
}

const longestWait = 5;

const pause = (seconds: number, signal?: AbortSignal) =>
  new Promise<void>((done, stop) => {
    const timer = setTimeout(done, seconds * 1000);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      stop(signal.reason);
    });
  });

/** call asks the API. A refusal is thrown as an ApiProblem. */
export async function call<M extends Method, P extends PathWith<M>>(
  method: M,
  path: P,
  options: Options<P, M> = {},
): Promise<Got<Answer<P, M>>> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (options.token) headers.Authorization = `Bearer ${options.token}`;
  if (options.ifMatch) headers['If-Match'] = options.ifMatch;
  if (method === 'post') headers['Idempotency-Key'] = options.key ?? crypto.randomUUID();
  const request: RequestInit = { method: method.toUpperCase(), headers, credentials: 'same-origin', cache: 'no-store' };
  if (options.signal) request.signal = options.signal;
  if (options.body !== undefined) {
    headers['Content-Type'] = method === 'patch' ? 'application/merge-patch+json' : 'application/json';
    request.body = JSON.stringify(options.body);
  }
  const url = fill(path, options.path as Record<string, unknown>, options.query as Record<string, unknown>);
  for (let tries = 1; ; tries++) {
    let response: Response;
    try {
      response = await fetch(url, request);
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new ApiProblem(
        0,
        'no_answer',
        'Lockstep does not answer. What you typed is still here: try again in a moment.',
      );
    }
    if (response.ok) {
      const text = response.status === 204 ? '' : await response.text();
      return {
        data: (text ? JSON.parse(text) : undefined) as Answer<P, M>,
        etag: response.headers.get('ETag') ?? '',
        location: response.headers.get('Location') ?? '',
      };
    }
    const problem = await readProblem(response);
    const again = (response.status === 429 || response.status === 503) && problem.retryAfter > 0;
    if (!again || problem.retryAfter > longestWait || tries === 3) throw problem;
    await pause(problem.retryAfter, options.signal);
  }
}

async function readProblem(response: Response) {
  const retryAfter = Number(response.headers.get('Retry-After') ?? 0) || 0;
  try {
    const body = (await response.json()) as Schema<'Problem'>;
    return new ApiProblem(
      response.status,
      body.code ?? 'other',
      body.detail || body.title,
      body.errors ?? [],
      body.request_id ?? '',
      retryAfter,
    );
  } catch {
    return new ApiProblem(
      response.status,
      'other',
      `The answer was ${response.status} ${response.statusText}.`,
      [],
      '',
      retryAfter,
    );
  }
}
