import type { ProcessReference } from './process-reference.ts';
import type { RabbitmqLogin } from './rabbitmq-login.ts';
import type { Progress, Server } from './server.ts';

export interface RabbitmqLaunchOptions {
  /** The folder of the whole stack; data goes to `<directory>/rabbitmq`. */
  directory: string;
  port: number;
  managementPort: number;
  /** Where the node registers its name (Erlang's port mapper). */
  epmdPort: number;
  /** The node's own port for Erlang distribution. */
  distributionPort: number;
  /** Administrator of a broker whose data is new. */
  login: RabbitmqLogin;
  onProgress: Progress;
  signal?: AbortSignal | undefined;
}

/** A broker that was started and is not ready yet. */
export interface RabbitmqLaunch extends Omit<Server, 'way'> {
  reference: ProcessReference;
}
