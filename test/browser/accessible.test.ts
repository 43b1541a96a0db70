import { randomUUID } from 'node:crypto';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { createDeploymentRows } from '../support/deployment-rows.ts';
import { usePages, statusInView, type SignIn } from '../support/open-page.ts';

const views = [
  '#/instances',
  '#/new',
  '#/agents',
  '#/agents/new',
  '#/rollouts',
  '#/deployments',
  '#/deployments/new',
  '#/hosts',
  '#/audit',
  '#/dead-letters',
  '#/nowhere',
];

describe.skipIf(inject('chromium') === null)('the page can be used', () => {
  const userId = randomUUID();
  const { rig, pages } = usePages();
  let instanceId: string;
  let rolloutId: string;
  let deploymentId: string;

  beforeAll(async () => {
    instanceId = await pages.insertInstance(userId, { fail_after_ms: 100 });
    await pages.insertInstance(userId);
    await rig.bus.until(instanceId, 'instance.updated', 'failed');
    const agentId = await rig.publishAgent();
    await rig.bus.until(await rig.insertInstance(agentId), 'instance.updated', 'running');
    await rig.pool.query(`update agents set version = '1.1.0' where id = $1`, [agentId]);
    const { rows } = await rig.pool.query<{ id: string }>(
      `insert into rollouts (agent_id, version, strategy) values ($1, '1.1.0', '{"min_healthy_seconds": 0}') returning id`,
      [agentId],
    );
    rolloutId = rows[0]?.id ?? '';
    await rig.bus.until(rolloutId, 'rollout.completed');
    const deployments = await createDeploymentRows(rig.environment.DATABASE_URL);
    deploymentId = await deployments.request();
    const examples = [{ workflow_id: `instance/${instanceId}`, run_id: 'a', message: 'It differs.' }];
    await deployments.record(deploymentId, 'ramping', {
      percentage: 10,
      step: 2,
      gate: { replayed: 2, failed: 1, problems: ['A migration is missing.'], examples },
      blast_radius: { examined: 2, changed: 1, disruptive: 1, effects: { restart: 1 }, examples: [] },
    });
    await deployments.find(deploymentId, 'task_failed', [{ instance_id: instanceId, message: 'It differs.' }]);
    await deployments.close();
  });

  /** Each view, once what it loads is there. */
  async function visit(options: SignIn, look: (page: Page, view: string) => Promise<void>): Promise<void> {
    const page = await pages.signIn({ userId, isAdmin: true, ...options });
    const agent = `#/agents/${pages.agentId}`;
    const ofEngine = [`#/rollouts/${rolloutId}`, `#/deployments/${deploymentId}`, `#/instances/${instanceId}`];
    for (const view of [...views, agent, `${agent}/rollout`, ...ofEngine]) {
      await page.goto(`${pages.url}/${view}`);
      await page.getByText('Loading …').waitFor({ state: 'detached' });
      await look(page, view);
    }
    await page.getByRole('button', { name: 'Delete …' }).click();
    await look(page, 'the dialog');
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await look(page, 'signing in');
    expect(pages.errors).toEqual([]);
  }

  test.each(['light', 'dark'] as const)('by what axe knows of, in each view, %s', async (colorScheme) => {
    await visit({ colorScheme }, async (page, view) => {
      await page.evaluate(axe.source);
      const violations = await page.evaluate<{ id: string; nodes: { html: string }[] }[]>(
        `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
           .then(({ violations }) => violations)`,
      );
      const found = violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
      expect({ view, found }).toEqual({ view, found: [] });
    });
  });

  test('on a phone 360 pixels wide, without scrolling sideways, by a finger', async () => {
    const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
    await visit(phone, async (page, view) => {
      const width = await page.evaluate('document.documentElement.scrollWidth');
      expect({ view, width }).toEqual({ view, width: 360 });
      const small = await page.evaluate(
        `[...document.querySelectorAll('button, .button, .chip, nav a, select, input:not([type=checkbox])')]
           .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 44)
           .map((element) => element.outerHTML)`,
      );
      expect({ view, small }).toEqual({ view, small: [] });
    });
  });

  test('on a desktop, with every link of an admin in one line', async () => {
    const page = await pages.signIn({ isAdmin: true, view: '#/hosts', viewport: { width: 1200, height: 800 } });
    await page.getByRole('heading', { name: 'Hosts' }).waitFor();
    expect((await page.locator('.top').boundingBox())?.height).toBeLessThan(64);
    expect(pages.errors).toEqual([]);
  });

  test('with the keyboard alone', async () => {
    const page = await pages.signIn();
    const focused = (): Promise<string> => page.evaluate('document.activeElement.textContent');
    /** Tab until it is reached, as somebody does who sees where the focus is. */
    const tabTo = async (name: string): Promise<void> => {
      for (let step = 0; step < 40; step += 1) {
        if ((await focused()).trim().startsWith(name)) return;
        await page.keyboard.press('Tab');
      }
      throw new Error(`Tab does not reach ${name}`);
    };
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    await tabTo('Create an instance');
    await page.keyboard.press('Enter');
    await expect.poll(focused).toBe('Create an instance');
    await page.getByLabel('Config, as JSON').waitFor();
    await tabTo('{"interval_ms":1000}');
    await page.keyboard.press('Space');
    await tabTo('Create');
    await page.keyboard.press('Enter');
    await expect.poll(focused).toMatch(/^heartbeat 1\.0\.0/);
    await expect.poll(() => statusInView(page)).toBe('running');

    await tabTo('Stop');
    await page.keyboard.press('Enter');
    await expect.poll(() => statusInView(page)).toBe('stopped');
    // What takes the place of a button that is gone has the focus.
    expect(await focused()).toMatch(/^Start/);
    await tabTo('Delete …');
    await page.keyboard.press('Enter');
    expect(await focused()).toBe('Cancel');
    // Behind the dialog, the button that opened it is drawn anew.
    const id = new URL(page.url()).hash.split('/').at(-1);
    await rig.pool.query(`update instances set desired_state = 'running' where id = $1`, [id]);
    await expect.poll(() => statusInView(page)).toBe('running');
    await page.keyboard.press('Escape');
    await expect.poll(focused).toBe('Delete …');
    await page.keyboard.press('Enter');
    await tabTo('Delete');
    await page.keyboard.press('Enter');
    await expect.poll(() => statusInView(page)).toBe('deleted');
    expect(pages.errors).toEqual([]);
  });

  test('with files of its own alone, and no script that is not one of them', async () => {
    const requests: string[] = [];
    const page = await pages.open('');
    page.on('request', (request) => requests.push(request.url()));
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    const files = ['', 'assets/page.js', 'assets/page.css', 'assets/icon.svg'].map((path) => `${pages.url}/${path}`);
    expect(requests).toEqual(expect.arrayContaining(files));
    expect(requests.filter((request) => !request.startsWith(pages.url))).toEqual([]);
    const policy = await page.evaluate(`fetch('/').then(({ headers }) => headers.get('content-security-policy'))`);
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toMatch(/script-src[^;]*unsafe|script-src-attr[^;]*unsafe/);
    expect(pages.errors).toEqual([]);
  });
});
