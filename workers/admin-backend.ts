import { runProcess } from './run-process.ts';
import { startAdminBackend } from './services/admin-backend.ts';

await runProcess({ name: 'admin_backend', start: [startAdminBackend], needsTokens: true });
