import { signal } from '@preact/signals';
import type { Instance, InstanceEvent } from '../api/types.ts';

export type KnownInstances = ReturnType<typeof createKnownInstances>;

/** News of an instance. Where `isKnown` is false, the event said too little, and the instance has to be loaded. */
interface News {
  id: string;
  isKnown: boolean;
}

/**
 * All instances that the page knows, from answers and from events. The two arrive in any order: whatever has a lower
 * `sequence` than the known instance is older, and is dropped. Components that read it are rendered again after a change.
 */
export function createKnownInstances() {
  const instances = signal<ReadonlyMap<string, Instance>>(new Map());
  /** The newest known sequences, by id. */
  const sequences = new Map<string, number>();
  /** Sequences of deletions, by id. */
  const deletions = new Map<string, number>();
  const listeners = new Set<(news: News) => void>();

  const tell = (id: string, isKnown = true): void => listeners.forEach((listener) => listener({ id, isKnown }));
  const put = (instance: Instance): void => {
    sequences.set(instance.id, instance.sequence);
    instances.value = new Map(instances.peek()).set(instance.id, instance);
  };
  const drop = (id: string): void => {
    sequences.delete(id);
    instances.value = new Map([...instances.peek()].filter(([other]) => other !== id));
  };
  const sequenceOf = (id: string): number => Math.max(sequences.get(id) ?? -1, deletions.get(id) ?? -1);

  /** Takes in an answer. Lists leave the config out; the known config is kept while the generation is the same. */
  const learn = (instance: Instance): void => {
    const { id, sequence, generation } = instance;
    const before = instances.peek().get(id);
    if (sequence < sequenceOf(id) || deletions.get(id) === sequence) return;
    const config = instance.config ?? (before?.generation === generation ? before.config : undefined);
    const after = { ...instance, ...(config && { config }) };
    sequences.set(id, sequence);
    if (before && JSON.stringify(before) === JSON.stringify(after)) return;
    deletions.delete(id);
    put(after);
  };

  return {
    get: (id: string): Instance | undefined => instances.value.get(id),
    all: (): Instance[] => [...instances.value.values()],
    wasDeleted: (id: string): boolean => deletions.has(id),
    learn,

    /** Takes in the answer to a request that changed the instance. */
    change: (instance: Instance): void => {
      learn(instance);
      tell(instance.id);
    },

    hear: (event: InstanceEvent): void => {
      const { sequence } = event;
      const { instance_id: id } = event.instance;
      if (sequence <= sequenceOf(id)) return;
      if (event.type === 'instance.deleted') {
        deletions.set(id, sequence);
        drop(id);
        return tell(id);
      }
      const before = instances.peek().get(id);
      const after = before && updated(before, event);
      if (after) put(after);
      tell(id, after !== undefined);
    },

    /**
     * Takes in whatever is answered from now on, also with a lower `sequence`: a restored backup, or a standby that lacked commits, counts
     * on from where it was.
     */
    beginAnew: (): void => {
      sequences.clear();
      deletions.clear();
      // The same generation may have another config now.
      instances.value = new Map([...instances.peek()].map(([id, instance]) => [id, withoutConfig(instance)]));
    },

    /** Forgets an instance that the server no longer has. */
    forget: drop,

    /** Takes in the answer to a deletion. */
    bury: ({ id, sequence }: Instance): void => {
      deletions.set(id, Math.max(sequence, sequenceOf(id)));
      drop(id);
      tell(id);
    },

    /** Calls the listener after each event and each change. Returns the function that ends this. */
    onNews: (listener: (news: News) => void): (() => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

function withoutConfig(instance: Instance): Instance {
  const { config: _, ...rest } = instance;
  return rest;
}

/** The instance after the event; undefined where the event does not say enough. */
function updated({ config, ...before }: Instance, event: InstanceEvent): Instance | undefined {
  const { instance, sequence, generation, observed_generation, desired_state, agent_id } = event;
  if (!instance.status || !instance.metadata || agent_id !== before.agent_id) return undefined;
  const { agent_version: version = before.agent_version, running_version: running = before.running_version } = instance;
  return {
    ...before,
    ...(config && generation === before.generation && { config }),
    status: instance.status,
    reason: instance.metadata.status_reason ?? null,
    updated_at: instance.updated_at ?? before.updated_at,
    ...(instance.host_id !== undefined && { host_id: instance.host_id }),
    agent_version: version,
    running_version: running,
    version_policy: instance.version_policy ?? before.version_policy,
    outdated: version !== null && before.stable_version !== null && version !== before.stable_version,
    sequence,
    generation,
    observed_generation,
    desired_state,
  };
}
