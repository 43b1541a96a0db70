import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { startRefill } from '../../backends/admin/audit/refill.ts';
import { verifyAudit } from '../../backends/admin/audit/verify.ts';
import { queueNames } from '../../contracts/names.ts';
import { openPool } from '../../workers/services/open-pool.ts';
import { startAdminBackend } from '../support/admin-backend.ts';
import { useRig } from '../support/rig.ts';

const patience = { timeout: 60_000 };

const rig = useRig({ services: ['event_broker'] });

/** With the rights of admin_backend. */
function startOwnRefill(options: { pageSize?: number; graceSeconds?: number } = {}) {
  const logger = pino({ level: 'silent' });
  const pool = openPool({
    databaseUrl: rig.environmentOf('admin_backend').DATABASE_URL,
    service: 'admin_backend',
    logger,
  });
  const refill = startRefill({
    pool,
    logger,
    onFatal: (error) => rig.fatal.push(error),
    graceSeconds: 0,
    intervalMs: 100,
    ...options,
  });
  onTestFinished(async () => {
    await refill.stop();
    await pool.end();
  });
  return refill;
}

/** Every entry of both logs by event id, without what only the time of recording and the chain say. */
async function readLogs() {
  const { rows: published } = await rig.pool.query<{ event_id: string }>(
    'select event_id from event_log where position is not null order by position',
  );
  const { rows: recorded } = await rig.pool.query<{ event_id: string }>(
    'select event_id from audit_log order by position',
  );
  return { published: published.map((row) => row.event_id), recorded: recorded.map((row) => row.event_id) };
}

/** An instance whose row changes and is deleted, of an agent that is published and retired. */
async function causeEvents(): Promise<void> {
  const agentId = await rig.publishAgent();
  const id = await rig.insertInstance(agentId, { model: 'large' });
  await rig.pool.query(`update instances set desired_state = 'stopped' where id = $1`, [id]);
  await rig.deleteInstance(id);
  await rig.pool.query('update agents set retired_at = now() where id = $1', [agentId]);
  await rig.untilBusIsQuiet();
}

test('what was lost with the queue of the audit log is appended late, once, and the chain is intact', async () => {
  const admin = await startAdminBackend(rig);
  onTestFinished(() => admin.stop());
  await admin.ready();
  await causeEvents();
  await vi.waitFor(async () => expect((await readLogs()).recorded).toEqual((await readLogs()).published), patience);

  await admin.stop();
  await causeEvents();
  // What waits in a queue is lost with it, however soon event_broker declares the queue again.
  const waiting = async () => (await rig.bus.channel.checkQueue(queueNames.adminBackendAudit)).messageCount;
  await vi.waitUntil(async () => (await waiting()) > 0, patience);
  await rig.bus.channel.deleteQueue(queueNames.adminBackendAudit);
  const next = await startAdminBackend(rig);
  onTestFinished(() => next.stop());
  await next.ready();
  await causeEvents();
  await vi.waitFor(async () => {
    const { published, recorded } = await readLogs();
    expect(recorded.at(-1)).toBe(published.at(-1));
  }, patience);
  const { published, recorded } = await readLogs();
  expect(published.filter((id) => !recorded.includes(id)).length).toBeGreaterThan(0);

  startOwnRefill({ pageSize: 2 });
  startOwnRefill();
  await vi.waitFor(async () => expect((await readLogs()).recorded.toSorted()).toEqual(published.toSorted()), patience);
  const client = await rig.connect();
  expect(await verifyAudit(client)).toMatchObject({ problem: undefined, entries: published.length });
  // Late entries keep the order in which they were published among each other.
  const late = (await readLogs()).recorded.slice(recorded.length);
  expect(late).toEqual(published.filter((id) => !recorded.includes(id)));
});

test('events at positions that were given before are appended as well, after the log was set back', async () => {
  const allRecorded = () =>
    vi.waitFor(async () => {
      const { published, recorded } = await readLogs();
      expect(published.filter((id) => !recorded.includes(id))).toEqual([]);
    }, patience);
  startOwnRefill();
  await causeEvents();
  await allRecorded();
  // As after a failover that lost the last commits.
  const { rows } = await rig.pool.query<{ kept: string }>('select last_given - 4 as kept from event_log_positions');
  const kept = rows[0]?.kept;
  await rig.pool.query('delete from event_log where position > $1', [kept]);
  await rig.pool.query('update event_log_positions set last_given = $1, last_removed = 0', [kept]);
  await causeEvents();
  await allRecorded();
});
