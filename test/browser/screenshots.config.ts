import { defineConfig } from 'vitest/config';
import { removeMachineSettings } from '../support/environment.ts';

removeMachineSettings({ process: 'main' });

/** `npm run screenshots`: makes the pictures of the README anew, of the real system. */
export default defineConfig({
  test: {
    name: 'screenshots',
    include: ['test/browser/screenshots.ts'],
    globalSetup: ['test/support/workflow-bundle.ts', 'test/support/servers.ts', 'test/support/chromium.ts'],
    setupFiles: [
      'test/support/without-machine-settings.ts',
      'test/support/quiet-temporal.ts',
      'test/support/patience.ts',
    ],
    expect: { poll: { timeout: 30_000 } },
    testTimeout: 120_000,
    hookTimeout: 90_000,
  },
});
