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
  folder: string;
  /** Administrator of a broker whose data is new. */
  login: RabbitmqLogin;
  probe: () => Promise<void>;
  onProgress: Progress;
  signal?: AbortSignal | undefined;
}
