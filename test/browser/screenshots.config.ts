import { defineConfig } from 'vitest/config';

/** `npm run screenshots`: makes the pictures of the README anew, of the real system. */
export default defineConfig({
  test: {
    name: 'screenshots',
    include: ['test/browser/screenshots.ts'],
    globalSetup: ['test/support/workflow-bundle.ts', 'test/support/servers.ts', 'test/support/chromium.ts'],
    setupFiles: ['test/support/quiet-temporal.ts'],
    testTimeout: 120_000,
    hookTimeout: 90_000,
  },
});
