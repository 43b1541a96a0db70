import { runProcess } from './run-process.ts';
import { startUserBackend } from './services/user-backend.ts';

await runProcess({ name: 'user_backend', start: [startUserBackend], needsTokens: true });
