import type { ServedHost } from '../../activities/host-activities.ts';

/** The hosts that this worker serves. A host is added once it is registered, and stays. */
export interface ServedHosts {
  add: (host: ServedHost) => void;
  list: () => readonly ServedHost[];
  /** Calls the listener for each host, now or when it is added, until the signal is aborted. */
  onEach: (listener: (host: ServedHost) => void, signal: AbortSignal) => void;
}

export function createServedHosts(): ServedHosts {
  const hosts: ServedHost[] = [];
  const listeners = new Set<(host: ServedHost) => void>();
  return {
    add: (host) => {
      hosts.push(host);
      for (const listener of listeners) listener(host);
    },
    list: () => hosts,
    onEach: (listener, signal) => {
      if (signal.aborted) return;
      for (const host of hosts) listener(host);
      listeners.add(listener);
      signal.addEventListener('abort', () => listeners.delete(listener), { once: true });
    },
  };
}
