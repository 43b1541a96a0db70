import { runProcess } from './run-process.ts';
import { startEventBroker } from './services/event-broker.ts';

await runProcess({ name: 'event_broker', start: [startEventBroker] });
