import type { WebSocket } from 'ws';
import { toInstanceHeaders } from '../../contracts/envelope.ts';
import type { InstancePush } from './published-events.ts';

/** Why a client has to read its instances again: the events that it missed cannot be sent. */
export type ResyncReason = 'unknown_event' | 'too_many_events' | 'removed_events';

/** Messages besides events. docs/live-updates.md says how a client handles them. */
export type ControlMessage = { type: 'ready' } | { type: 'lagging' } | { type: 'resync'; reason: ResyncReason };

/** Close codes (https://www.rfc-editor.org/rfc/rfc6455#section-7.4) and the reasons that clients get with them. */
const closings = {
  goingAway: [1001, 'The server is stopping: connect again'],
  failed: [1011, 'Something went wrong here: connect again, with the last event that was seen'],
  tokenExpired: [4001, 'The token has expired: connect again with a new one'],
  adminsOnly: [4003, 'Only admins may watch the instances of all users'],
  tooSlow: [4008, 'Too slow: connect again, with the last event that was seen'],
  tooManyConnections: [4029, 'Too many connections of this user: close some'],
} as const satisfies Record<string, readonly [code: number, reason: string]>;

export type Closing = keyof typeof closings;

export function closeWith(socket: WebSocket, closing: Closing): void {
  const [code, reason] = closings[closing];
  socket.close(code, reason);
}

/** The message for a client: the documented body as `instance`, and beside it the metadata that a page needs. */
export function toPushed({ type, body, metadata }: InstancePush): string {
  const { id, position, sequence, time, instance } = metadata;
  return JSON.stringify({
    type,
    event_id: id,
    position,
    sequence,
    time,
    ...(instance && toInstanceHeaders(instance)),
    instance: body,
  });
}
