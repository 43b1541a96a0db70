import { catalog } from '../../../contracts/catalog.ts';
import { commandTypes, controlCommands } from '../../../contracts/control-commands.ts';
import { headerSchemas, propertyOfHeader } from '../../../contracts/envelope.ts';
import { eventTypes } from '../../../contracts/names.ts';
import type { Versions } from '../../../contracts/versions.ts';
import { toJsonSchema } from './json-schemas.ts';
import { code, fieldsOf } from './words.ts';

/** The section of `llms.txt` on the events, the commands and the mandatory headers. */
export function globalRules(): string {
  const ofEvents = mandatory('headers.agent_event');
  const ofInstances = mandatory('headers.instance_event').filter((name) => !ofEvents.includes(name));
  const ofCommands = mandatory('headers.command');
  const missing = ofEvents.filter((name) => !ofCommands.includes(name));
  return [
    `- The bus carries only the events of contracts/catalog.ts: ${listed(eventTypes, (type) => catalog[type])}.`,
    `- Mandatory on every event: ${ofEvents.map(withProperty).join(', ')}.`,
    `- Also on \`instance.*\`: ${ofInstances.map(code).join(', ')}.`,
    `- Agents are sent only the commands of contracts/control-commands.ts: ${listed(commandTypes, (type) => controlCommands[type])}.`,
    `- Mandatory on every command: the headers of every event but ${missing.map(code).join(', ')}.`,
    '- JSON Schemas for every language: docs/schemas/. All of it as AsyncAPI: docs/asyncapi.json.',
  ].join('\n');
}

function listed<Type extends string>(
  types: readonly Type[],
  of: (type: Type) => { versions: Versions<unknown> },
): string {
  return types.map((type) => `${code(type)} (version ${of(type).versions.newest.version})`).join(', ');
}

function mandatory(headers: keyof typeof headerSchemas): string[] {
  return fieldsOf(toJsonSchema(headerSchemas[headers]))
    .filter((field) => field.mandatory)
    .map(({ name }) => name);
}

function withProperty(header: string): string {
  const property = propertyOfHeader[header];
  return property === undefined ? code(header) : `${code(header)} (= ${code(property)})`;
}
