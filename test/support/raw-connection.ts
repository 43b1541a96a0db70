import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** One TCP connection, for what no client of HTTP would do. */
export interface RawConnection {
  socket: Socket;
  /** What came back so far. */
  received: () => string;
  /** Resolves with the milliseconds since the connection was made, once the other side has ended it. */
  ended: Promise<number>;
}

/** Connects and sends the text; `reads: false` takes nothing of what comes back. */
export async function openRawConnection(
  port: number,
  text: string,
  { reads = true }: { reads?: boolean } = {},
): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let received = '';
  if (reads) socket.setEncoding('latin1').on('data', (part: string) => (received += part));
  // A reset is an end, too.
  socket.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const since = Date.now();
  const ended = new Promise<number>((resolve) => socket.once('close', () => resolve(Date.now() - since)));
  if (text !== '') socket.write(text);
  return { socket, received: () => received, ended };
}

/** The lines of a request, its body not included. */
export function requestHead(method: string, path: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ host: 'test', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}
