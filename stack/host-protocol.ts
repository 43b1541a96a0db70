import type { StackOptions, StackServers } from './stack-options.ts';

/** To the process that runs the servers. */
export type HostRequest = { type: 'start'; options: Omit<StackOptions, 'onProgress'> } | { type: 'stop' };

/** From the process that runs the servers. `failed` is sent when all servers have been stopped again. */
export type HostMessage =
  { type: 'progress'; line: string } | { type: 'ready'; servers: StackServers } | { type: 'failed'; reason: string };
