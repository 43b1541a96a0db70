import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';

export interface FetchOptions {
  method?: string;
  headers?: Readonly<Record<string, string>> | Headers;
  body?: string;
  signal: AbortSignal;
}

/**
 * Works like `fetch`, but trusts only the CAs of a file, for which `fetch` of Node.js has no option. Follows no redirects.
 *
 * @throws the error of the connection, or the signal's reason
 */
export async function fetchWithAuthorities(url: string, caFile: string, options: FetchOptions): Promise<Response> {
  const { method = 'GET', headers = {}, body, signal } = options;
  try {
    const sent = request(url, {
      ca: readFileSync(caFile),
      method,
      headers: Object.fromEntries(new Headers(headers)),
      signal,
    });
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    const content = await text(answer);
    return new Response(content === '' ? null : content, { status: answer.statusCode ?? 0 });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}
