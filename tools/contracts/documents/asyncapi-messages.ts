import { catalog } from '../../../contracts/catalog.ts';
import { controlCommands, isCommandType } from '../../../contracts/control-commands.ts';
import { toCommandHeaders, toWireHeaders, type EventMetadata } from '../../../contracts/envelope.ts';
import type { EventType } from '../../../contracts/names.ts';
import { isOfTrigger, publishedSchemas, type PublishedSchema } from './json-schemas.ts';

export type Json = Record<string, unknown>;

/** Version of the AMQP bindings: https://github.com/asyncapi/bindings/blob/master/amqp/README.md */
export const bindingVersion = '0.3.0';

/** Each released version is a message of its own. Readers tell them apart by `schema_version`. */
export function messages(): Json {
  return Object.fromEntries(
    bodies().map(({ name, version, example }) => [
      messageId({ name, version }),
      {
        name,
        title: `${name}, version ${version}`,
        tags: [{ name: isCommandType(name) ? 'command' : 'event' }],
        contentType: 'application/json',
        correlationId: { location: '$message.header#/cloudEvents:correlationid' },
        headers: ref(`components/schemas/${headersOf(name)}`),
        payload: ref(`components/schemas/${messageId({ name, version })}`),
        examples: [{ name: 'example', headers: exampleHeaders(name, version, example as Json), payload: example }],
        bindings: { amqp: { contentEncoding: 'utf-8', messageType: name, bindingVersion } },
      },
    ]),
  );
}

export function schemas(): Json {
  return Object.fromEntries(
    publishedSchemas()
      .filter(({ name }) => !isOfTrigger(name))
      .map(({ schema, ...contract }) => [
        contract.name.startsWith('headers.') ? contract.name : messageId(contract),
        { schemaFormat: 'application/schema+json;version=draft-07', schema },
      ]),
  );
}

function headersOf(name: string): string {
  if (isCommandType(name)) return 'headers.command';
  return `headers.${name.slice(0, name.indexOf('.'))}_event`;
}

function exampleHeaders(type: string, schemaVersion: number, body: Json): Json {
  const id = 'd9b2a1c4-7e5f-4b06-8a3d-2c1e0f9b8a77';
  const isOfInstance = type.startsWith('instance.');
  const metadata: EventMetadata = {
    id,
    type,
    source: isCommandType(type) ? controlCommands[type].source : catalog[type as EventType].source,
    subject: String(body['instance_id'] ?? body['rollout_id'] ?? body['deployment_id'] ?? body['agent_id']),
    time: '2025-01-01T12:00:00.123Z',
    schemaVersion,
    sequence: 1,
    position: 1,
    correlationId: id,
    traceparent: '00-d9b2a1c47e5f4b068a3d2c1e0f9b8a77-d9b2a1c47e5f4b06-01',
    instance: isOfInstance
      ? {
          agentId: '0b9f5a54-6a0e-4c4b-9d0a-0f6f4d1c7a01',
          userId: '3511421a-b5cc-4806-90cf-8d5394ec1ba1',
          desiredState: 'running',
          generation: 1,
          observedGeneration: 0,
        }
      : undefined,
  };
  return isCommandType(type) ? toCommandHeaders(metadata) : toWireHeaders(metadata);
}

function bodies(): PublishedSchema[] {
  return publishedSchemas().filter(({ name }) => !isOfTrigger(name) && !name.startsWith('headers.'));
}

export function messageRefs(name: string): Json {
  const versions = bodies().filter((body) => body.name === name);
  return Object.fromEntries(versions.map((body) => [messageId(body), ref(`components/messages/${messageId(body)}`)]));
}

export function newestMessageId(name: string): string {
  return messageId({ name, version: bodies().filter((body) => body.name === name).length });
}

function messageId({ name, version }: { name: string; version: number }): string {
  return `${name}.v${version}`;
}

export function ref(path: string): Json {
  return { $ref: `#/${path}` };
}
