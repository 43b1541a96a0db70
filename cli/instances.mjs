#!/usr/bin/env node
// The command `instances` of package.json: plain JavaScript, which has TypeScript loaded from here on.
const tsx = await import('tsx/esm/api').catch(() => undefined);
if (tsx) {
  tsx.register();
  await import('./main.ts');
} else {
  console.error('The packages are not installed: run npm ci in this folder first.');
  process.exitCode = 1;
}
