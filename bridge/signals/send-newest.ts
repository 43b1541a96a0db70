import { setTimeout as delay } from 'node:timers/promises';

export interface SendNewestOptions<Item> {
  /** Items with the same key are sent one after the other. */
  keyOf: (item: Item) => string;
  /** The item with the highest rank is the newest, and supersedes the other waiting items of its key. */
  rankOf: (item: Item) => number;
  send: (item: Item) => Promise<void>;
  /** Pause between two items of the same key. */
  pauseMs?: number;
}

interface Waiting<Item> {
  item: Item;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Sends one item at a time for each key. Of the items that arrived meanwhile only the newest is sent, which also resolves the
 * calls of the others. If it cannot be sent, only its own call rejects, and the others are tried again.
 */
export function sendNewest<Item>({ keyOf, rankOf, send, pauseMs = 100 }: SendNewestOptions<Item>) {
  const waiting = new Map<string, Waiting<Item>[]>();

  const sendAll = async (key: string): Promise<void> => {
    for (let batch = waiting.get(key) ?? []; batch.length > 0; batch = waiting.get(key) ?? []) {
      const newest = batch.reduce((one, other) => (rankOf(other.item) > rankOf(one.item) ? other : one));
      waiting.set(key, []);
      try {
        await send(newest.item);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        newest.reject(error);
        waiting.get(key)?.unshift(...batch.filter((other) => other !== newest));
      }
      await delay(pauseMs, undefined, { ref: false });
    }
    waiting.delete(key);
  };

  return async (item: Item): Promise<void> => {
    const key = keyOf(item);
    return new Promise((resolve, reject) => {
      const others = waiting.get(key);
      if (others) {
        others.push({ item, resolve, reject });
      } else {
        waiting.set(key, [{ item, resolve, reject }]);
        void sendAll(key);
      }
    });
  };
}
