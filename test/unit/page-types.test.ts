import { expectTypeOf, test } from 'vitest';
import type { z } from 'zod';
import type * as agents from '../../backends/admin/agents/schemas.ts';
import type * as audit from '../../backends/admin/audit/schemas.ts';
import type * as letters from '../../backends/admin/dead-letters/schemas.ts';
import type { inspectedLetterJson } from '../../bridge/dead-letters/letter-json.ts';
import type * as user from '../../backends/user/schemas.ts';
import type * as page from '../../backends/user/page/api/types.ts';
import type { explanation } from '../../explain/explanation.ts';

// The page never loads the schemas: browsers would load zod as well. The compiler checks this file; running it does nothing.
test('the backends answer what the page reads', () => {
  expectTypeOf<user.Instance>().toExtend<page.Instance>();
  expectTypeOf<user.InstanceSummary>().toExtend<page.Instance>();
  expectTypeOf<user.CatalogAgent>().toExtend<page.CatalogAgent>();
  expectTypeOf<z.infer<typeof explanation>>().toExtend<page.Explanation>();
  expectTypeOf<agents.Agent>().toExtend<page.Agent>();
  expectTypeOf<z.infer<typeof agents.agentList>>().toExtend<{ agents: page.ListedAgent[] }>();
  expectTypeOf<z.infer<typeof audit.auditPage>>().toExtend<page.AuditPage>();
  expectTypeOf<z.infer<typeof audit.verificationAnswer>>().toExtend<page.AuditVerification>();
  expectTypeOf<z.infer<typeof letters.letterList>>().toExtend<page.DeadLetters>();
  expectTypeOf<z.infer<typeof inspectedLetterJson>>().toExtend<page.DeadLetterContent>();
});

test('the backends take what the page sends', () => {
  expectTypeOf<page.NewInstance>().toExtend<z.input<typeof user.newInstance>>();
  expectTypeOf<{ config: page.Json }>().toExtend<z.input<typeof user.instanceChange>>();
  expectTypeOf<page.AgentFields>().toExtend<z.input<typeof agents.newAgent>>();
  expectTypeOf<page.AgentFields>().toExtend<z.input<typeof agents.agentChange>>();
  expectTypeOf<{ drain: boolean }>().toExtend<z.input<typeof agents.retirement>>();
});
