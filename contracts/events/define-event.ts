import type { EventType } from '../names.ts';
import type { ConsumerOf } from '../topology.ts';
import type { Versions } from '../versions.ts';

export interface EventDefinition<Type extends EventType = EventType, Body = unknown> {
  type: Type;
  /** The header `cloudEvents:source`: the origin of the event, which event_broker publishes on its behalf. */
  source: string;
  /** Completes "Published by event_broker …". */
  published: string;
  /** What each consumer does with the event. The consumers follow from the bindings of the queues. */
  sideEffects: Readonly<Record<ConsumerOf<Type>, string>>;
  versions: Versions<Body>;
}

/** Lets the compiler require a name of `eventTypes`, and a side effect for each service that the event reaches. */
export function defineEvent<Type extends EventType, Body>(
  definition: EventDefinition<Type, Body>,
): EventDefinition<Type, Body> {
  return definition;
}
