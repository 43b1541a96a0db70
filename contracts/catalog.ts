import { agentPublished } from './events/agent-published.ts';
import { agentRetired } from './events/agent-retired.ts';
import { deploymentPromoted } from './events/deployment-promoted.ts';
import { deploymentRequested } from './events/deployment-requested.ts';
import { deploymentRolledBack } from './events/deployment-rolled-back.ts';
import { deploymentUpdated } from './events/deployment-updated.ts';
import type { EventDefinition } from './events/define-event.ts';
import { instanceCreated } from './events/instance-created.ts';
import { instanceDeleted } from './events/instance-deleted.ts';
import { instanceUpdated } from './events/instance-updated.ts';
import { rolloutCompleted } from './events/rollout-completed.ts';
import { rolloutRequested } from './events/rollout-requested.ts';
import { rolloutRolledBack } from './events/rollout-rolled-back.ts';
import { rolloutUpdated } from './events/rollout-updated.ts';
import type { EventType } from './names.ts';
import type { BodyOf } from './versions.ts';

/** Every event on the bus. Nothing else can be published, consumed or bound to a queue. */
export const catalog = {
  'instance.created': instanceCreated,
  'instance.updated': instanceUpdated,
  'instance.deleted': instanceDeleted,
  'agent.published': agentPublished,
  'agent.retired': agentRetired,
  'rollout.requested': rolloutRequested,
  'rollout.updated': rolloutUpdated,
  'rollout.completed': rolloutCompleted,
  'rollout.rolled_back': rolloutRolledBack,
  'deployment.requested': deploymentRequested,
  'deployment.updated': deploymentUpdated,
  'deployment.promoted': deploymentPromoted,
  'deployment.rolled_back': deploymentRolledBack,
} as const satisfies { [Type in EventType]: EventDefinition<Type> };

/** The part of the catalog that publishers and readers need. Tests pass the catalog of another release. */
export type Catalog = { [Type in EventType]: Pick<EventDefinition<Type>, 'type' | 'source' | 'versions'> };

export type EventBody<Type extends EventType> = BodyOf<(typeof catalog)[Type]>;

export function definitionOf(type: EventType, events: Catalog = catalog): Catalog[EventType] {
  if (!isEventType(type)) {
    throw new Error(`${String(type)} is not in the catalog: define it in contracts/ first (see CONTRIBUTING.md)`);
  }
  return events[type];
}

export function isEventType(name: string): name is EventType {
  return Object.hasOwn(catalog, name);
}
