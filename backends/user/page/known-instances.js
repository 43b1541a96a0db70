/** @import { Instance, InstanceEvent } from './types.ts' */

/** @typedef {ReturnType<typeof createKnownInstances>} KnownInstances */
/** @typedef {{ id: string, known: boolean }} Change whether the instance is known in full; else it has to be asked for */

/**
 * What the page knows of instances, from answers and from events. They arrive in any order: what has a lower `sequence`
 * than what is known is older, and is dropped.
 */
export function createKnownInstances() {
  /** @type {Map<string, Instance>} */
  const instances = new Map();
  /** Sequences of deletions, by id. @type {Map<string, number>} */
  const deleted = new Map();
  const changes = new EventTarget();

  /** @param {Change} detail */
  const tell = (detail) => changes.dispatchEvent(new CustomEvent('change', { detail }));

  /** @param {string} id */
  const sequenceOf = (id) => Math.max(instances.get(id)?.sequence ?? -1, deleted.get(id) ?? -1);

  return {
    /** @param {string} id */
    get: (id) => instances.get(id),

    /** @param {string} id */
    wasDeleted: (id) => deleted.has(id),

    all: () => [...instances.values()],

    /**
     * Takes an answer in. A list leaves the config out, which is then kept while it cannot have changed.
     *
     * @param {Instance} instance
     */
    learn: (instance) => {
      const { id, sequence, generation } = instance;
      const before = instances.get(id);
      if (sequence < sequenceOf(id) || (deleted.get(id) ?? -1) === sequence) return;
      const config = instance.config ?? (before?.generation === generation ? before.config : undefined);
      const after = { ...instance, ...(config && { config }) };
      if (before && JSON.stringify(before) === JSON.stringify(after)) return;
      deleted.delete(id);
      instances.set(id, after);
      tell({ id, known: true });
    },

    /** @param {InstanceEvent} event */
    hear: (event) => {
      const { sequence } = event;
      const { instance_id: id } = event.instance;
      if (sequence <= sequenceOf(id)) return;
      if (event.type === 'instance.deleted') {
        instances.delete(id);
        deleted.set(id, sequence);
        tell({ id, known: true });
        return;
      }
      const before = instances.get(id);
      const after = before && updated(before, event);
      if (after) instances.set(id, after);
      tell({ id, known: after !== undefined });
    },

    /**
     * Forgets what the server no longer has.
     *
     * @param {string} id
     */
    forget: (id) => {
      if (instances.delete(id)) tell({ id, known: true });
    },

    /**
     * Takes in the answer to a deletion.
     *
     * @param {Instance} instance as it was
     */
    bury: ({ id, sequence }) => {
      deleted.set(id, Math.max(sequence, sequenceOf(id)));
      instances.delete(id);
      tell({ id, known: true });
    },

    /**
     * @param {(change: Change) => void} listener
     * @param {AbortSignal} signal until when it is called
     */
    onChange: (listener, signal) => {
      changes.addEventListener('change', (event) => listener(/** @type {CustomEvent<Change>} */ (event).detail), {
        signal,
      });
    },
  };
}

/**
 * @param {Instance} before
 * @param {InstanceEvent} event
 * @returns {Instance | undefined} undefined where the event does not say enough
 */
function updated({ config, ...before }, event) {
  const { instance, sequence, generation, observed_generation, desired_state, agent_id } = event;
  if (!instance.status || !instance.metadata || agent_id !== before.agent_id) return undefined;
  return {
    ...before,
    ...(config && generation === before.generation && { config }),
    status: instance.status,
    reason: instance.metadata.status_reason ?? null,
    updated_at: instance.updated_at ?? before.updated_at,
    sequence,
    generation,
    observed_generation,
    desired_state,
  };
}
