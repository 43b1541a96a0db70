import { expectTypeOf, test } from 'vitest';
import type { z } from 'zod';
import type * as agents from '../../backends/admin/agents/schemas.ts';
import type { ControlMessage } from '../../backends/live/messages.ts';
import type * as user from '../../backends/user/schemas.ts';
import type * as page from '../../backends/user/page/api/types.ts';

// The page derives the types of most bodies from the schemas of the backends, so that the compiler checks the page itself.
// These tests cover the types that it cannot derive. The compiler checks this file; running it does nothing.
test('the backends answer what the page reads', () => {
  expectTypeOf<user.Instance>().toExtend<page.Instance>();
  expectTypeOf<user.InstanceSummary>().toExtend<page.Instance>();
  expectTypeOf<agents.Agent>().toExtend<page.Agent>();
  expectTypeOf<ControlMessage>().toExtend<page.LiveMessage>();
});

test('the backends take what the page sends', () => {
  expectTypeOf<page.AgentFields>().toExtend<z.input<typeof agents.newAgent>>();
  expectTypeOf<page.AgentFields>().toExtend<z.input<typeof agents.agentChange>>();
  expectTypeOf<{ drain: boolean }>().toExtend<z.input<typeof agents.retirement>>();
});
