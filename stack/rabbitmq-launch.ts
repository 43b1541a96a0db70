import type { Ports } from './ports.ts';
import type { RabbitmqLogin } from './rabbitmq-login.ts';
import type { Progress } from './server.ts';

export interface RabbitmqLaunchOptions {
  folder: string;
  ports: Ports;
  /** Administrator of a broker whose data is new. */
  login: RabbitmqLogin;
  probe: () => Promise<void>;
  onProgress: Progress;
  signal?: AbortSignal | undefined;
}
