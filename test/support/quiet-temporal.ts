import { DefaultLogger, Runtime } from '@temporalio/worker';

const installed = globalThis as { quietTemporal?: true };

// What the SDK says of each worker that comes and goes, and of each replay, would hide what a test says. Once for all the
// test files of a process.
if (!installed.quietTemporal) Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
installed.quietTemporal = true;
