import { expectTypeOf, test } from 'vitest';
import type { z } from 'zod';
import type * as agents from '../../backends/admin/agents/schemas.ts';
import type * as audit from '../../backends/admin/audit/schemas.ts';
import type * as letters from '../../backends/admin/dead-letters/schemas.ts';
import type { inspectedLetterJson } from '../../bridge/dead-letters/letter-json.ts';
import type * as user from '../../backends/user/schemas.ts';
import type * as page from '../../backends/user/page/types.ts';
import type { explanation } from '../../explain/explanation.ts';

// The page is JavaScript that never loads the schemas. The compiler checks this file; nothing happens when it runs.
test('the backends answer what the page reads', () => {
  expectTypeOf<user.Instance>().toExtend<page.Instance>();
  expectTypeOf<user.InstanceSummary>().toExtend<page.Instance>();
  expectTypeOf<user.CatalogAgent>().toExtend<page.CatalogAgent>();
  expectTypeOf<z.infer<typeof explanation>>().toExtend<page.Explanation>();
  expectTypeOf<agents.Agent>().toExtend<page.Agent>();
  expectTypeOf<agents.ListedAgent>().toExtend<page.Agent>();
  expectTypeOf<z.infer<typeof audit.auditPage>['entries'][number]>().toExtend<page.AuditEntry>();
  expectTypeOf<z.infer<typeof audit.verificationAnswer>>().toExtend<page.AuditVerification>();
  expectTypeOf<z.infer<typeof letters.letterList>['letters'][number]>().toExtend<page.DeadLetter>();
  expectTypeOf<z.infer<typeof inspectedLetterJson>>().toExtend<page.DeadLetterContent>();
});
