/** A failed request: the problem that the server answered (RFC 9457), or `unreachable` with status 0. */
export class Problem extends Error {
  override name = 'Problem';
  readonly status: number;
  /** Names the cause for programs, as the message does for people. */
  readonly code: string;
  /** Every fault of an invalid request. */
  readonly errors: { path: string; message: string }[];

  constructor(status: number, code: string, detail: string, errors: { path: string; message: string }[] = []) {
    super(detail);
    this.status = status;
    this.code = code;
    this.errors = errors;
  }
}

interface RequestOptions {
  /** Sent as JSON. */
  body?: unknown;
  /** Empty values are left out. */
  query?: Record<string, string | number | undefined>;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

export type Send = <Answer>(
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  options?: RequestOptions,
) => Promise<Answer>;

interface ServerOptions {
  /** Address of the server; '' is the server of this page. */
  base: string;
  token: string;
  /** Called when the server refuses the token. */
  onUnauthorized: (reason: string) => void;
}

/** A function that sends requests to one server and throws a `Problem` for each that fails. */
export function createSend({ base, token, onUnauthorized }: ServerOptions): Send {
  return async (method, path, { body, query = {}, headers = {}, signal } = {}) => {
    const response = await reach(`${base}${path}${toQuery(query)}`, {
      method,
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
    if (response.ok) return response.json();
    const problem = await toProblem(response);
    if (problem.status === 401) onUnauthorized(problem.message);
    throw problem;
  };
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem(0, 'unreachable', 'The server cannot be reached. Check your connection, then try again.');
  }
}

function toQuery(query: NonNullable<RequestOptions['query']>): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

async function toProblem(response: Response): Promise<Problem> {
  const { status, statusText } = response;
  try {
    const { code, detail, errors } = await response.json();
    return new Problem(status, String(code), String(detail), Array.isArray(errors) ? errors : []);
  } catch {
    return new Problem(status, 'no_problem', `The server answered ${status} ${statusText} without saying why.`);
  }
}
