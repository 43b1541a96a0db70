import { isDeepStrictEqual } from 'node:util';
import { breaking, compatible, shown, type Change, type JsonObject } from './change.ts';
import { isObject } from './schema-form.ts';

const refused = 'RabbitMQ refuses other values for what exists';

/**
 * Judges two forms of `topology` (contracts/topology.ts) that carry one version. What exists cannot be declared with
 * other values (https://www.rabbitmq.com/docs/queues#property-equivalence), and consumers rely on what is bound.
 */
export function compareTopology(before: JsonObject, after: JsonObject): Change[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => {
    if (key === 'exchanges') return compareNamed('exchange', before[key], after[key], compareExchange);
    if (key === 'queues') return compareNamed('queue', before[key], after[key], compareQueue);
    if (key === 'bindings') return compareFurtherBindings(before[key], after[key]);
    return compareValues(key, before[key], after[key], 'it cannot be judged, so it counts as breaking.');
  });
}

type CompareObject = (old: JsonObject, now: JsonObject, path: string) => Change[];

function compareNamed(kind: 'exchange' | 'queue', before: unknown, after: unknown, compare: CompareObject): Change[] {
  const old = byName(before);
  const now = byName(after);
  const gone = [...old.keys()].filter((name) => !now.has(name));
  return [
    ...gone.map((name) =>
      breaking(`${kind}s(${name})`, `is gone: whoever uses this ${kind} no longer gets what went through it.`),
    ),
    ...[...now].flatMap(([name, definition]) => {
      const path = `${kind}s(${name})`;
      const kept = old.get(name);
      return kept === undefined
        ? [compatible(path, `is a new ${kind}: nobody relies on it yet.`)]
        : compare(kept, definition, path);
    }),
  ];
}

function byName(list: unknown): Map<string, JsonObject> {
  const definitions = Array.isArray(list) ? list.filter(isObject) : [];
  return new Map(definitions.map((definition) => [String(definition['name']), definition]));
}

function compareExchange(old: JsonObject, now: JsonObject, path: string): Change[] {
  return compareProperties(
    old,
    now,
    path,
    `${refused}: give the exchange another name, or raise the version and migrate.`,
  );
}

function compareQueue(
  { arguments: oldArguments, routingKeys: oldKeys, consumers: oldConsumers, exchange: oldExchange, ...old }: JsonObject,
  { arguments: newArguments, routingKeys: newKeys, consumers: newConsumers, exchange: newExchange, ...now }: JsonObject,
  path: string,
): Change[] {
  const remedy = `${refused}: give the queue another name, or raise the version and migrate.`;
  return [
    ...compareProperties(asObject(oldArguments), asObject(newArguments), `${path}.arguments`, remedy),
    ...compareValues(
      `${path}.exchange`,
      oldExchange,
      newExchange,
      'consumers no longer get what the old exchange routes.',
    ),
    ...compareBindings(oldKeys, newKeys, path),
    ...compareConsumers(oldConsumers, newConsumers, `${path}.consumers`),
    ...compareProperties(old, now, path, remedy),
  ];
}

function compareProperties(old: JsonObject, now: JsonObject, path: string, reason: string): Change[] {
  const names = new Set([...Object.keys(old), ...Object.keys(now)]);
  names.delete('purpose');
  return [...names].flatMap((name) => compareValues(`${path}.${name}`, old[name], now[name], reason));
}

function compareBindings(before: unknown, after: unknown, path: string): Change[] {
  const [old, now] = [texts(before), texts(after)];
  const at = (key: string) => `${path}.routingKeys(${key})`;
  return [
    ...old
      .filter((key) => !now.includes(key))
      .map((key) => breaking(at(key), `is gone: consumers no longer get ${key}.`)),
    ...now
      .filter((key) => !old.includes(key))
      .map((key) => compatible(at(key), 'is a new binding: consumers get what they got, and more.')),
  ];
}

/** A binding has nothing but its three names: two that differ are two bindings. */
function compareFurtherBindings(before: unknown, after: unknown): Change[] {
  const [old, now] = [bindingNames(before), bindingNames(after)];
  return [
    ...old
      .filter((name) => !now.includes(name))
      .map((name) => breaking(`bindings(${name})`, 'is gone: its queue no longer gets what came through it.')),
    ...now
      .filter((name) => !old.includes(name))
      .map((name) => compatible(`bindings(${name})`, 'is a new binding: its queue gets what it got, and more.')),
  ];
}

/** e.g. `events.topic → admin_backend.audit by "agent.*"` */
function bindingNames(list: unknown): string[] {
  const bindings = Array.isArray(list) ? list.filter(isObject) : [];
  return bindings.map(({ exchange, queue, routingKey, ...more }) => {
    const further = Object.keys(more).length > 0 ? ` with ${shown(more)}` : '';
    return `${String(exchange)} → ${String(queue)} by ${shown(routingKey)}${further}`;
  });
}

/** In whatever order. */
function compareConsumers(before: unknown, after: unknown, path: string): Change[] {
  const [old, now] = [texts(before).toSorted(), texts(after).toSorted()];
  return compareValues(path, old, now, 'two that share a queue share out its messages, and one that left gets none.');
}

function compareValues(path: string, old: unknown, now: unknown, reason: string): Change[] {
  return isDeepStrictEqual(old, now) ? [] : [breaking(path, `was ${shown(old)} and is ${shown(now)} now: ${reason}`)];
}

function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
