import { startEventBroker as startBroker } from '../../bridge/event-broker/event-broker.ts';
import { serveHealth } from '../health.ts';
import { untilReady } from './until-ready.ts';
import type { Service, ServiceOptions } from './service.ts';

/** event_broker publishes the event log to the bus. */
export async function startEventBroker({ configuration, logger, onFatal }: ServiceOptions): Promise<Service> {
  const broker = startBroker({
    databaseUrl: configuration.databaseDirectUrl,
    amqpUrl: configuration.amqpUrl,
    logger,
    onFatal,
  });
  const parts = [broker];
  const health = await serveHealth({
    host: configuration.healthHost,
    port: configuration.eventBrokerHealthPort,
    setting: 'EVENT_BROKER_HEALTH_PORT',
    parts,
  });
  return {
    healthPort: health.port,
    ready: () => untilReady(parts),
    stop: async () => {
      await broker.stop();
      await health.close();
    },
  };
}
