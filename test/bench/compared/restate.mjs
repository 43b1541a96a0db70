/** The lifecycle on Restate, with its defaults. Started by the benchmark. It is JavaScript, because `tsc` runs without its libraries. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import * as restate from '@restatedev/restate-sdk';
import * as clients from '@restatedev/restate-sdk-clients';
import pRetry from 'p-retry';
import { createNotices, serveLifecycles } from '../contender.ts';

// Restate's SDK calls it, but Node.js 20 does not have it.
Promise.withResolvers ??= function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const { NODE_PORT, ADMIN_PORT, INGRESS_PORT, SERVICE_PORT, RESTATE_BASE_DIR } = process.env;
const { platform, arch } = process;
const program = createRequire(import.meta.url).resolve(
  `@restatedev/restate-server-${platform}-${arch}/bin/restate-server`,
);

const provisioned = createNotices();
const cleanedUp = createNotices();
const lifecycle = restate.workflow({
  name: 'lifecycle',
  handlers: {
    run: async (context) => {
      await context.run('provision', () => provisioned.arrive(context.key));
      await context.promise('deleted');
      await context.run('cleanUp', () => cleanedUp.arrive(context.key));
    },
    remove: (context) => context.promise('deleted').resolve(),
  },
});
const uri = (port) => `http://127.0.0.1:${port}`;
await restate.serve({
  services: [lifecycle],
  port: Number(SERVICE_PORT),
  logger: ({ level }, ...message) => {
    if (level === 'error') process.stderr.write(`${message.join(' ')}\n`);
  },
});

const server = spawn(program, [], {
  env: {
    RESTATE_BASE_DIR,
    RESTATE_LISTEN_MODE: 'tcp',
    RESTATE_BIND_ADDRESS: `127.0.0.1:${NODE_PORT}`,
    RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${ADMIN_PORT}`,
    RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${INGRESS_PORT}`,
    RESTATE_DISABLE_TELEMETRY: 'true',
    RESTATE_LOG_FILTER: 'error,octocrab=off',
  },
  stdio: ['ignore', 'ignore', 'inherit'],
});
const ended = once(server, 'exit');
await pRetry(
  async () => {
    const { status, ok } = await fetch(`${uri(ADMIN_PORT)}/deployments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ uri: uri(SERVICE_PORT) }),
    });
    if (!ok) throw new Error(`Restate refused the service with ${status}.`);
  },
  { retries: 60, minTimeout: 500, factor: 1 },
);
const ingress = clients.connect({ url: uri(INGRESS_PORT) });
const clientOf = (id) => ingress.workflowClient(lifecycle, id);

await serveLifecycles(
  {
    begin: async (id) => {
      const isProvisioned = provisioned.expect(id);
      await clientOf(id).workflowSubmit();
      await isProvisioned;
    },
    end: async (id) => {
      const isCleanedUp = cleanedUp.expect(id);
      await clientOf(id).remove();
      await isCleanedUp;
    },
  },
  async () => {
    server.kill('SIGTERM');
    await ended;
    process.exit();
  },
);
