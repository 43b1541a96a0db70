import type { Page } from 'playwright-core';
import { describe, expect, inject, test } from 'vitest';
import { settingsOf, smallAgent, untilGo, useNamespace } from '../support/kubernetes/engine.ts';
import { missingImage } from '../support/kubernetes/fake-registry.ts';
import { createPodRig } from '../support/kubernetes/pods.ts';
import { statusInView, usePages } from '../support/open-page.ts';

const patience = { timeout: 80_000 };

describe.skipIf(!inject('kubernetes')?.image || inject('chromium') === null)(
  'the page, of agents that are pods',
  () => {
    const namespace = useNamespace();
    const { rig, pages } = usePages({ openSettings: () => settingsOf(namespace) });

    const run = async (runtime: object = {}): Promise<{ agentId: string; id: string }> => {
      const agentId = await rig.publishAgent({ ...smallAgent, ...runtime });
      const id = await rig.insertInstance(agentId);
      await rig.bus.until(id, 'instance.updated', 'running');
      return { agentId, id };
    };
    const facts = (page: Page) => page.locator('.aside dl').first().textContent();

    test('an instance names its pod, its namespace and its node, and how the pod ended', async () => {
      const { id } = await run({ command: ['sh', '-c', `${untilGo}; echo no fuel; exit 9`] });
      const pods = createPodRig(namespace);
      const node = (await pods.find(id))?.spec?.nodeName;
      const place = `pod instance-${id.slice(0, 8)} of the namespace ${namespace.name} on the node ${node}`;
      const page = await pages.signIn({ isAdmin: true, view: `#/instances/${id}` });
      await expect.poll(() => facts(page), patience).toContain(`Runs as${place}`);
      await pods.go(id);
      await expect.poll(() => statusInView(page), patience).toBe('failed');
      await expect.poll(() => facts(page), patience).toContain(`Ran last as${place}`);
      await expect.poll(() => page.locator('.verdict').textContent()).toContain('The agent ended with exit code 9.');
      await expect.poll(() => page.locator('.timeline').textContent()).toContain('no fuel');
      expect(pages.errors).toEqual([]);
    });

    test.skipIf(!inject('kubernetes')?.hasOwnNode)(
      'a rollout that went back says that the image cannot be pulled',
      async () => {
        const { agentId } = await run();
        const runtime = { ...smallAgent, image: await missingImage() };
        await rig.pool.query(`update agents set version = '2', runtime = $2 where id = $1`, [agentId, runtime]);
        const { rows } = await rig.pool.query<{ id: string }>(
          `insert into rollouts (agent_id, version, strategy) values ($1, '2', '{"min_healthy_seconds": 1}') returning id`,
          [agentId],
        );
        const page = await pages.signIn({ isAdmin: true, view: `#/rollouts/${rows[0]?.id}` });
        await expect.poll(() => page.locator('.heading .badge').textContent(), patience).toBe('rolled back');
        const moved = page.getByRole('list', { name: 'Moved instances' });
        await moved.getByText(/agents\/none:1 cannot be pulled: .*Push it to its registry/).waitFor();
        await expect.poll(() => moved.textContent(), patience).toMatch(/^reverted.*running with 1.*came from 1/);
        expect(pages.errors).toEqual([]);
      },
    );

    test('the hosts have the namespace under its own name, which drains, and its pod goes on where no other fits', async () => {
      const { id } = await run();
      const page = await pages.signIn({ isAdmin: true, view: '#/hosts' });
      const row = page.locator('.row', { hasText: namespace.name });
      await row.getByText('kubernetes', { exact: true }).waitFor();
      await row.getByText(/^\d instances? · 1 worker of build /).waitFor();
      await row.getByRole('button', { name: `Drain … ${namespace.name}` }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Drain' }).click();
      await row.getByText(/\d left, 0 moving, \d waiting, because no other host fits/).waitFor();
      expect(await row.locator('.badge').textContent()).toBe('drains');
      expect((await createPodRig(namespace).find(id))?.status?.phase).toBe('Running');
      await row.getByRole('button', { name: `Undrain ${namespace.name}` }).click();
      await expect.poll(() => row.locator('.badge').textContent()).toBe('in use');
      expect(pages.errors).toEqual([]);
    });

    test('an agent is published from the template for a pod', async () => {
      const page = await pages.signIn({ isAdmin: true, view: '#/agents' });
      await page.getByRole('link', { name: 'Publish an agent' }).click();
      await page.getByLabel('Name').fill('pods');
      await page.getByRole('button', { name: 'Template for a pod' }).click();
      await page.getByRole('button', { name: 'Publish', exact: true }).click();
      await page.getByRole('status').getByText('pods 1.0.0 is published.').waitFor();
      const { rows } = await rig.pool.query<{ kind: string }>(
        `select runtime ->> 'kind' as kind from agents where name = 'pods'`,
      );
      expect(rows).toEqual([{ kind: 'kubernetes' }]);
      expect(pages.errors).toEqual([]);
    });
  },
);
