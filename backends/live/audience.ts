import type { Client } from './client.ts';

/** Connected clients by user, so that the cost of an event does not depend on the number of all clients. */
export function createAudience() {
  const ofUser = new Map<string, Set<Client>>();
  const ofAll = new Set<Client>();
  const connections = new Map<string, number>();
  const clients = new Set<Client>();

  return {
    clients: clients as ReadonlySet<Client>,
    /** Number of connections of a user. */
    count: (userId: string): number => connections.get(userId) ?? 0,
    get users(): number {
      return connections.size;
    },
    /** @param seesAll whether the client gets the events of all users */
    add: (client: Client, userId: string, seesAll: boolean): void => {
      clients.add(client);
      connections.set(userId, (connections.get(userId) ?? 0) + 1);
      const own = ofUser.get(userId) ?? new Set();
      if (seesAll) ofAll.add(client);
      else ofUser.set(userId, own.add(client));
    },
    remove: (client: Client, userId: string): void => {
      clients.delete(client);
      ofAll.delete(client);
      const left = (connections.get(userId) ?? 0) - 1;
      if (left > 0) connections.set(userId, left);
      else connections.delete(userId);
      const own = ofUser.get(userId);
      own?.delete(client);
      if (own?.size === 0) ofUser.delete(userId);
    },
    /** Calls `tell` for each client that an event of this user's instance concerns. */
    forEach: (userId: string, tell: (client: Client) => void): void => {
      ofUser.get(userId)?.forEach(tell);
      ofAll.forEach(tell);
    },
  };
}
