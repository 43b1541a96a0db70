import { randomUUID } from 'node:crypto';
import { describe, expect, inject, test } from 'vitest';
import { adoptInstance } from '../../database/hosts/leases.ts';
import { forgetPlacement } from '../../database/hosts/placements.ts';
import { loseHost, registerHost } from '../support/hosts.ts';
import { usePages, statusInList } from '../support/open-page.ts';

describe.skipIf(inject('chromium') === null)('an admin', () => {
  const { rig, pages } = usePages();

  test("sees everybody's instances live, or only the own ones", async () => {
    const [userId, somebody] = [randomUUID(), randomUUID()];
    const page = await pages.signIn({ userId, isAdmin: true });
    const theirs = await pages.insertInstance(somebody);
    const own = await pages.insertInstance(userId);
    await expect.poll(() => statusInList(page, theirs)).toBe('running');
    await expect.poll(() => statusInList(page, own)).toBe('running');

    await page.getByRole('link', { name: 'Mine' }).click();
    await expect.poll(() => page.locator('[data-instance]').count()).toBe(1);
    await page.getByRole('link', { name: "Everybody's" }).click();
    await page.locator(`[data-instance="${theirs}"]`).getByRole('link').click();
    await page.getByText('provisioned as runtime').first().waitFor();
    await page.getByText('None of this instance.').waitFor();
    const href = await page.getByRole('link', { name: /^Its workflow in the Web UI/ }).getAttribute('href');
    expect(href).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:8233/namespaces/default/workflows/instance%2F${theirs}$`));
    expect(pages.errors).toEqual([]);
  });

  test('publishes an agent, a new version of it, retires it, and takes it back', async () => {
    const page = await pages.signIn({ isAdmin: true, view: '#/agents' });
    await page.getByRole('link', { name: 'Publish an agent' }).click();
    await page.getByLabel('Name').fill('sleeper');
    await page.getByLabel('Capabilities').fill('sleep, dream');
    await page.getByLabel('How it is run, as JSON').fill('{"kind": "process", "command": []}');
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await page
      .getByText(/command/)
      .last()
      .waitFor();
    await page.getByLabel('How it is run, as JSON').fill('{"kind": "process", "command": ["sleep", "100000"]}');
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await page.getByRole('status').getByText('sleeper 1.0.0 is published.').waitFor();

    const row = page.locator('.row', { hasText: 'sleeper' });
    expect(await row.textContent()).toContain('0 instances · can: sleep, dream');
    await row.getByRole('link', { name: 'Versions' }).click();
    const versions = page.getByRole('list', { name: 'Versions' });
    expect(await versions.getByRole('listitem').first().textContent()).toMatch(
      /^stable1\.0\.0newest0 instances, 0 run it/,
    );
    await page.getByLabel('How it is run, as JSON').fill('{"kind": "process", "command": ["sleep", "100001"]}');
    await page.getByRole('button', { name: 'Publish this version' }).click();
    await page.getByText('Publish them under another version.').waitFor();
    await page.getByRole('textbox', { name: 'Version' }).fill('1.1.0');
    await page.getByRole('button', { name: 'Publish this version' }).click();
    await page.getByText('sleeper 1.1.0 is published.').waitFor();
    expect(await row.textContent()).toContain('new instances get 1.0.0');
    await row.getByRole('link', { name: 'Versions' }).click();
    await expect.poll(() => versions.locator('.badge').allTextContents()).toEqual(['published', 'stable']);
    await page.goBack();

    await row.getByRole('button', { name: 'Retire …' }).click();
    await page.getByRole('dialog').getByRole('checkbox').check();
    await page.getByRole('dialog').getByRole('button', { name: 'Retire' }).click();
    await expect.poll(() => row.locator('.badge').textContent()).toBe('retired');
    await row.getByRole('button', { name: 'Take back' }).click();
    await expect.poll(() => row.locator('.badge').textContent()).toBe('in use');
    // The refusals of the empty command and of the version with other content, which the console tells of as well.
    expect(pages.errors).toHaveLength(2);
  });

  test('sees hosts live, drains one, takes that back, and forgets one that is lost', async () => {
    const hostId = await registerHost(rig.pool, {
      name: 'worker-9',
      labels: { zone: 'b' },
      capacity: 5,
      build: 'a-build',
    });
    const placed = randomUUID();
    await adoptInstance(rig.pool, hostId, placed);
    const page = await pages.signIn({ isAdmin: true });
    await page.getByRole('link', { name: 'Hosts' }).click();
    const row = page.locator(`[data-host="${hostId}"]`);
    await row.getByText('1 of 5 instances · 1 worker of build a-build · zone=b').waitFor();
    expect(await row.locator('.badge').textContent()).toBe('in use');
    await row.getByText(/^lease holds for/).waitFor();

    await row.getByRole('button', { name: 'Drain … worker-9' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Instances that move at the same time').fill('3');
    await dialog.getByRole('button', { name: 'Drain' }).click();
    await page.getByRole('status').getByText('worker-9 drains.').waitFor();
    await row.getByText('1 left, 0 moving').waitFor();
    expect(await row.locator('.badge').textContent()).toBe('drains');
    const { rows } = await rig.pool.query('select drain_at_once from hosts where id = $1', [hostId]);
    expect(rows).toEqual([{ drain_at_once: 3 }]);
    await forgetPlacement(rig.pool, placed, hostId);
    await row.getByText('Nothing is left: its agents_worker can be ended.').waitFor();
    await row.getByRole('button', { name: 'Undrain worker-9' }).click();
    await expect.poll(() => row.locator('.badge').textContent()).toBe('in use');
    expect(await row.getByRole('button', { name: 'Forget' }).count()).toBe(0);

    await loseHost(rig.pool, hostId);
    await row.getByText('lost 5 min ago').waitFor();
    await row.getByRole('button', { name: 'Forget … worker-9' }).click();
    await dialog.getByText('Confirm only if you know that no agent runs on worker-9 any more').waitFor();
    await dialog.getByRole('button', { name: 'Forget' }).click();
    await page.getByText('worker-9 is forgotten.').waitFor();
    expect(pages.errors).toEqual([]);
  });

  test('reads the audit trail with filters that are in the address, and verifies it', async () => {
    const userId = randomUUID();
    const id = await pages.insertInstance(userId);
    const page = await pages.signIn({ isAdmin: true, view: `#/instances/${id}` });
    await rig.bus.until(id, 'instance.updated', 'running');
    await page.getByRole('link', { name: 'Its audit trail' }).click();
    await expect
      .poll(async () => {
        await page.reload();
        await page.locator('.row.audit').first().waitFor();
        return page.locator('.row.audit').count();
      })
      .toBe(2);

    await page.getByLabel('Type').selectOption('instance.created');
    await page.getByRole('button', { name: 'Filter' }).click();
    await expect.poll(() => page.locator('.row.audit').count()).toBe(1);
    expect(page.url()).toContain(`instance_id=${id}`);
    await page.locator('summary', { hasText: 'Entry' }).click();
    expect(await page.locator('.row.audit pre').textContent()).toContain(userId);
    await page.goBack();
    await expect.poll(() => page.locator('.row.audit').count()).toBe(2);

    await page.getByRole('button', { name: 'Verify the trail' }).click();
    await page.getByText('intact', { exact: true }).waitFor();
    expect(pages.errors).toEqual([]);
  });

  test('finds a dead letter, reads it, and sends it again', async () => {
    const instanceId = await rig.insertInstance(await rig.publishAgent());
    const { message } = await rig.bus.until(instanceId, 'instance.created');
    const { headers, messageId } = message.properties as { headers: object; messageId: string };
    await rig.bus.publish('events.dead_letters', 'agents_worker.instance', message.content.toString('utf8'), {
      messageId,
      headers: { ...headers, dead_letter_reason: 'not understood' },
    });
    const page = await pages.signIn({ isAdmin: true });
    await expect
      .poll(async () => {
        await page.goto(`${pages.url}/#/dead-letters?instance_id=${instanceId}`);
        await page.reload();
        await page.locator('.row, .empty').first().waitFor();
        return page.locator('.row', { hasText: 'agents_worker.instance' }).count();
      })
      .toBe(1);

    await page.locator('.row', { hasText: 'agents_worker.instance' }).getByRole('link').click();
    await page.getByRole('heading', { name: 'A dead letter' }).waitFor();
    await page.getByText('"schema_version": 1').waitFor();
    await page.getByRole('button', { name: 'Send again …' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Send again' }).click();
    await page.getByText('The letter is sent again.').waitFor();
    expect(pages.errors).toEqual([]);
  });
});
