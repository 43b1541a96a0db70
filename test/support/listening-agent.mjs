/** An agent that writes down, in the file `$TRACE`, what it is told; `$ON_STOP` is `end` or `stay`. */
import { appendFileSync } from 'node:fs';
import { listen } from '../../examples/heartbeat-agent/control.mjs';

const { INSTANCE_ID, TRACE, ON_STOP } = process.env;

function note(type, body = {}) {
  appendFileSync(TRACE, `${JSON.stringify({ instance: INSTANCE_ID, type, body, at: Date.now() })}\n`);
}

note('started');
process.once('SIGTERM', () => {
  note('SIGTERM');
  process.exit(0);
});
void listen((type, body) => {
  note(type, body);
  if (type === 'instance.stop' && ON_STOP === 'end') process.exit(0);
});
