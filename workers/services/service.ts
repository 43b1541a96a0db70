import type { Logger } from 'pino';
import type { FatalError } from '../../supervision/errors.ts';
import type { Configuration } from '../../configuration/configuration.ts';

export interface ServiceOptions {
  configuration: Configuration;
  logger: Logger;
  /** Called when only a person can help. The process then has to end. */
  onFatal: (error: FatalError) => void;
}

export interface Service {
  /** Port of `GET /live` and `GET /ready`. */
  healthPort: number;
  /** Resolves once all parts are ready at the same time. */
  ready(): Promise<void>;
  /** Takes no more work, finishes the work in hand, and closes the connections. */
  stop(): Promise<void>;
}

export interface HttpService extends Service {
  /** URL of the HTTP server, e.g. `http://127.0.0.1:27440`. */
  url: string;
}
