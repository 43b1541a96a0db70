import { isDeepStrictEqual } from 'node:util';
import { breaking, compatible, isObject, shown, type Change, type JsonObject } from './change.ts';

/** One thing that a topology says. It is not compared where what it is `of` is new or gone. */
type Statement = { path: string; of?: string } & (
  { gone: string; added: string } | { value: unknown; reasonAgainstChange: string }
);

/**
 * Judges two forms of `topology` (contracts/topology.ts) that carry one version. RabbitMQ does not declare anything again
 * with other values (https://www.rabbitmq.com/docs/queues#property-equivalence), and consumers rely on what is bound.
 */
export function compareTopology(before: JsonObject, after: JsonObject): Change[] {
  const [old, now] = [statementsOf(before), statementsOf(after)];
  return [...new Map([...old, ...now])].flatMap(([path, statement]) => {
    if (statement.of !== undefined && !(old.has(statement.of) && now.has(statement.of))) return [];
    if ('gone' in statement) {
      if (!now.has(path)) return [breaking(path, statement.gone)];
      return old.has(path) ? [] : [compatible(path, statement.added)];
    }
    const [was, is] = [old, now].map((topology) => valueOf(topology.get(path)));
    if (isDeepStrictEqual(was, is)) return [];
    return [breaking(path, `was ${shown(was)} and is ${shown(is)} now: ${statement.reasonAgainstChange}`)];
  });
}

function valueOf(statement: Statement | undefined): unknown {
  return statement && 'value' in statement ? statement.value : undefined;
}

function statementsOf({ exchanges, queues, bindings, ...others }: JsonObject): Map<string, Statement> {
  const statements = [
    ...objectsIn(exchanges).flatMap(aboutExchange),
    ...objectsIn(queues).flatMap(aboutQueue),
    ...objectsIn(bindings).map(aboutBinding),
    ...values('', others, 'it cannot be judged, so it counts as breaking.'),
  ];
  return new Map(statements.map((statement) => [statement.path, statement]));
}

function aboutExchange({ name, ...properties }: JsonObject): Statement[] {
  const path = `exchanges(${String(name)})`;
  return [existence(path, 'exchange'), ...values(path, properties, remedy('exchange'))];
}

function aboutQueue({
  name,
  exchange,
  routingKeys,
  consumers,
  arguments: given,
  ...properties
}: JsonObject): Statement[] {
  const path = `queues(${String(name)})`;
  const source = 'consumers no longer get what the old exchange routes.';
  const sharing = 'two consumers share out the messages of a queue, and one that left gets none.';
  return [
    existence(path, 'queue'),
    ...values(`${path}.arguments`, isObject(given) ? given : {}, remedy('queue')).map((each) => ({
      ...each,
      of: path,
    })),
    ...values(path, { exchange }, source),
    ...textsIn(routingKeys).map((key) => ({
      path: `${path}.routingKeys(${key})`,
      of: path,
      gone: `is gone: consumers no longer get ${key}.`,
      added: 'is a new binding: consumers get what they got, and more.',
    })),
    // Their order says nothing.
    ...values(path, { consumers: textsIn(consumers).toSorted() }, sharing),
    ...values(path, properties, remedy('queue')),
  ];
}

/** A binding has no value that could change: two bindings that differ in anything are two bindings. */
function aboutBinding({ exchange, queue, routingKey, ...more }: JsonObject): Statement {
  const further = Object.keys(more).length > 0 ? ` with ${shown(more)}` : '';
  return {
    path: `bindings(${String(exchange)} → ${String(queue)} by ${shown(routingKey)}${further})`,
    gone: 'is gone: its queue no longer gets what came through it.',
    added: 'is a new binding: its queue gets what it got, and more.',
  };
}

function existence(path: string, kind: 'exchange' | 'queue'): Statement {
  return {
    path,
    gone: `is gone: whoever uses this ${kind} no longer gets what went through it.`,
    added: `is a new ${kind}: nobody relies on it yet.`,
  };
}

function values(path: string, properties: JsonObject, reasonAgainstChange: string): Statement[] {
  const judged = Object.entries(properties).filter(([name]) => name !== 'purpose');
  return judged.map(([name, value]) =>
    path === ''
      ? { path: name, value, reasonAgainstChange }
      : { path: `${path}.${name}`, of: path, value, reasonAgainstChange },
  );
}

function remedy(kind: 'exchange' | 'queue'): string {
  return `RabbitMQ refuses other values for what exists: give the ${kind} another name, or raise the version and migrate.`;
}

function objectsIn(list: unknown): JsonObject[] {
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function textsIn(list: unknown): string[] {
  return Array.isArray(list) ? list.map(String) : [];
}
