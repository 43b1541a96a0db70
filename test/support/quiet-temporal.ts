import { DefaultLogger, Runtime } from '@temporalio/worker';

const installed = globalThis as { quietTemporal?: true };

// The SDK's lines about each worker and each replay would hide the output of tests. This is done once for all test files of a
// process.
if (!installed.quietTemporal) Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
installed.quietTemporal = true;
