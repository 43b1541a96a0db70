import { randomBytes, randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  controlCommands,
  type CommandBody,
  type CommandDefinition,
  type CommandType,
} from '../../contracts/control-commands.ts';
import { toCommandHeaders, type CommandMetadata } from '../../contracts/envelope.ts';
import { exchangeNames } from '../../contracts/names.ts';
import type { Cause } from '../../workflows/messages.ts';
import type { OutgoingMessage } from '../bus/confirmed-publish.ts';

export interface Command<Type extends CommandType> {
  type: Type;
  /** Id of the instance or agent that gets the command. It is also the routing key. */
  to: string;
  body: CommandBody<Type>;
  /** The event that caused the command. Without a cause, the command begins a new trace. */
  cause?: Cause | undefined;
}

/** Makes the message for `agents.direct`, with a new id. @throws z.ZodError when the body does not match its schema */
export function toMessage<Type extends CommandType>({ type, to, body, cause }: Command<Type>): OutgoingMessage {
  const { source, versions }: CommandDefinition = controlCommands[type];
  const { version, schema } = versions.newest;
  const id = randomUUID();
  const metadata: CommandMetadata = {
    id,
    type,
    source,
    subject: to,
    time: new Date().toISOString(),
    schemaVersion: version,
    correlationId: cause?.correlationId ?? id,
    causationId: cause?.eventId,
    traceparent: cause?.traceparent ?? newTraceparent(),
  };
  const headers = toCommandHeaders(metadata);
  return { exchange: exchangeNames.agents, routingKey: to, body: z.encode(schema, body), metadata, headers };
}

function newTraceparent(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`;
}
