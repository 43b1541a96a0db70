import type { StopReason } from '../contracts/names.ts';
import type { Cause } from '../workflows/messages.ts';

/** The way to agents that listen, as the activities need it. */
export interface ControlPlane {
  /** RabbitMQ as agents reach it. Undefined: no account was made for agents, so that those that listen cannot start. */
  agentUrl: string | undefined;
  /** Makes the queue of an instance anew. Rejects, to be tried again, when RabbitMQ is away. */
  openQueue(binding: { instanceId: string; agentId: string }): Promise<void>;
  /** Tolerates that there is none. Rejects, to be tried again, when RabbitMQ is away. */
  removeQueue(instanceId: string): Promise<void>;
  /** Asks the agent of an instance to stop, if it listens, and gives it its head start. Never rejects. */
  requestStop(request: StopRequest): Promise<void>;
}

export interface StopRequest {
  instanceId: string;
  reason: StopReason;
  cause: Cause | undefined;
  /** Aborts the head start. */
  signal: AbortSignal;
}
