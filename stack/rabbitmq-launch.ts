import type { RabbitmqLogin } from './rabbitmq-login.ts';
import type { Progress } from './server.ts';

export interface RabbitmqPorts {
  port: number;
  managementPort: number;
  /** Where the node registers its name (Erlang's port mapper). */
  epmdPort: number;
  /** The node's own port for Erlang distribution. */
  distributionPort: number;
}

export interface RabbitmqLaunchOptions extends RabbitmqPorts {
  /** Holds the data. */
  folder: string;
  /** Administrator of a broker whose data is new. */
  login: RabbitmqLogin;
  /** Resolves once the broker is ready. */
  probe: () => Promise<void>;
  onProgress: Progress;
  signal?: AbortSignal | undefined;
}
