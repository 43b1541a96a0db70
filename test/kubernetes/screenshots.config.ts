import { defineConfig } from 'vitest/config';
import { removeMachineSettings } from '../support/environment.ts';

removeMachineSettings({ process: 'main' });

/** `npm run screenshots:kubernetes`: makes the pictures of docs/kubernetes.md anew, of real pods. */
export default defineConfig({
  test: {
    name: 'screenshots of pods',
    include: ['test/kubernetes/screenshots.ts'],
    globalSetup: [
      'test/support/workflow-bundle.ts',
      'test/support/servers.ts',
      'test/support/chromium.ts',
      'test/support/kubernetes/cluster.ts',
    ],
    setupFiles: [
      'test/support/without-machine-settings.ts',
      'test/support/quiet-temporal.ts',
      'test/support/patience.ts',
    ],
    expect: { poll: { timeout: 30_000 } },
    testTimeout: 240_000,
    hookTimeout: 90_000,
  },
});
