import type { ServedHost } from '../../activities/host-steps.ts';

/** The hosts that this worker serves. A host is added once it is registered, and stays. */
export interface ServedHosts {
  add: (host: ServedHost) => void;
  list: () => readonly ServedHost[];
  /** Calls the listener for each host, now or when it is added, until the signal is aborted. */
  onEach: (listener: (host: ServedHost) => void, signal: AbortSignal) => void;
  /** Must be called when the tasks of a host begin to be taken, and when they no longer are. */
  setAtWork: (hostId: string, isAtWork: boolean) => void;
  isAtWork: (hostId: string) => boolean;
}

export function createServedHosts(): ServedHosts {
  const hosts: ServedHost[] = [];
  const listeners = new Set<(host: ServedHost) => void>();
  const atWork = new Set<string>();
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
    setAtWork: (hostId, isAtWork) => {
      if (isAtWork) atWork.add(hostId);
      else atWork.delete(hostId);
    },
    isAtWork: (hostId) => atWork.has(hostId),
  };
}
