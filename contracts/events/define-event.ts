import type { EventType } from '../names.ts';
import type { ConsumerOf } from '../topology.ts';
import type { Versions } from '../versions.ts';

export interface EventDefinition<Type extends EventType = EventType, Body = unknown> {
  type: Type;
  /** Who the event is from, whichever process puts it on the bus: `cloudEvents:source`. */
  source: string;
  /** Completes "Published by event_broker …". */
  published: string;
  /** What each consumer does with it. Who they are follows from the bindings of the queues. */
  sideEffects: Readonly<Record<ConsumerOf<Type>, string>>;
  versions: Versions<Body>;
}

/** Type check alone: an event needs a name of `eventTypes`, and a side effect for each service whose queue gets it. */
export function defineEvent<Type extends EventType, Body>(
  definition: EventDefinition<Type, Body>,
): EventDefinition<Type, Body> {
  return definition;
}
