/** The lifecycle on DBOS, with its defaults. Started by the benchmark. It is JavaScript, because `tsc` runs without its libraries. */
import { DBOS } from '@dbos-inc/dbos-sdk';
import { createNotices, serveLifecycles } from '../contender.ts';

// It calls pg in a way that pg deprecates.
process.noDeprecation = true;

const provisioned = createNotices();
const cleanedUp = createNotices();
const lifecycle = DBOS.registerWorkflow(
  async (id) => {
    await DBOS.runStep(async () => provisioned.arrive(id), { name: 'provision' });
    await DBOS.recv('deleted', 600);
    await DBOS.runStep(async () => cleanedUp.arrive(id), { name: 'cleanUp' });
  },
  { name: 'lifecycle' },
);
DBOS.setConfig({ name: 'bench', systemDatabaseUrl: process.env.DATABASE_URL, logLevel: 'error' });
await DBOS.launch();

await serveLifecycles(
  {
    begin: async (id) => {
      const isProvisioned = provisioned.expect(id);
      await DBOS.startWorkflow(lifecycle, { workflowID: id })(id);
      await isProvisioned;
    },
    end: async (id) => {
      const isCleanedUp = cleanedUp.expect(id);
      await DBOS.send(id, true, 'deleted');
      await isCleanedUp;
    },
  },
  async () => {
    await DBOS.shutdown();
    process.exit();
  },
);
