/** An answer that is no success (RFC 9457), or none at all: then its status is 0 and its code `unreachable`. */
export class Problem extends Error {
  /** @override */
  name = 'Problem';

  /**
   * @param {number} status
   * @param {string} code for a program
   * @param {string} detail for a person
   * @param {{ path: string, message: string }[]} [errors] each fault of the request
   */
  constructor(status, code, detail, errors = []) {
    super(detail);
    this.status = status;
    this.code = code;
    this.errors = errors;
  }
}

/**
 * @typedef {object} RequestOptions
 * @property {unknown} [body] sent as JSON
 * @property {Record<string, string | number | boolean | null | undefined>} [query] what is empty is left out
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 */

/** @typedef {ReturnType<typeof createApi>} Api */

/**
 * Requests to one server.
 *
 * @param {object} options
 * @param {string} options.base its address; '' is the server of this page
 * @param {string} [options.token]
 * @param {(reason: string) => void} [options.onUnauthorized] called when the token is refused
 */
export function createApi({ base, token, onUnauthorized }) {
  return {
    /**
     * @template Answer
     * @param {'GET' | 'POST' | 'PATCH' | 'DELETE'} method
     * @param {string} path
     * @param {RequestOptions} [options]
     * @returns {Promise<Answer>}
     * @throws {Problem}
     */
    request: async (method, path, { body, query = {}, headers = {}, signal } = {}) => {
      const response = await send(`${base}${path}${toQuery(query)}`, {
        method,
        headers: {
          accept: 'application/json',
          ...(token && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
      });
      if (response.ok) return /** @type {Answer} */ (await response.json());
      const problem = await toProblem(response);
      if (problem.status === 401) onUnauthorized?.(problem.message);
      throw problem;
    },
  };
}

/**
 * @param {string} url
 * @param {RequestInit} init
 */
async function send(url, init) {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem(0, 'unreachable', 'The server cannot be reached. Check your connection, then try again.');
  }
}

/** @param {NonNullable<RequestOptions['query']>} query */
function toQuery(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

/** @param {Response} response */
async function toProblem(response) {
  const { status, statusText } = response;
  try {
    const { code, detail, errors } = await response.json();
    return new Problem(status, String(code), String(detail), Array.isArray(errors) ? errors : []);
  } catch {
    return new Problem(status, 'no_problem', `The server answered ${status} ${statusText} without saying why.`);
  }
}
