import { randomUUID } from 'node:crypto';
import { instanceWorkflowId, instanceWorkflowType } from '../../../contracts/names.ts';
import { until } from '../../../stack/until.ts';
import type { Scenarios } from './scenario.ts';

/** Events after which Temporal suggests to continue as new: its default. */
const suggestedFrom = 4_096;

/** Beginnings without a row's event, repeats, and what is handed from run to run. */
export const longLives: Scenarios = {
  'started-without-a-message': {
    shows: ['uncertain × unknown'],
    play: async (stage) => {
      const id = randomUUID();
      await stage.rig.client.workflow.start(instanceWorkflowType, {
        workflowId: instanceWorkflowId(id),
        taskQueue: stage.rig.environment.TASK_QUEUE,
        args: [{ instanceId: id }],
      });
      await stage.untilState(id, ({ knownRow }) => knownRow.kind === 'unknown');
      await stage.insert(await stage.rig.publishAgent(), 'running', id);
      await stage.untilRecorded(id, 'running');
      return id;
    },
  },
  'hears-everything-twice': {
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      await stage.want(id, 'stopped');
      const message = await stage.latestMessage(id);
      await stage.tell(id, message);
      await stage.tell(id, message);
      await stage.untilRecorded(id, 'stopped', 2);
      await stage.tell(id, message);
      await stage.deleteAndComplete(id);
      return id;
    },
  },
  'continued-as-new': {
    play: async (stage) => {
      const id = await stage.insertUntil('running', await stage.rig.publishAgent());
      const { runId: firstRun } = await stage.rig.workflow(id).describe();
      await until(async () => {
        const { runId, historyLength } = await stage.rig.workflow(id).describe();
        if (runId !== firstRun) return true;
        // Once the server suggests a new run, a signal more would only put it off.
        const signals = historyLength > suggestedFrom ? 0 : 50;
        await Promise.all(Array.from({ length: signals }, () => stage.tell(id, { type: 'agentPublished' })));
        return false;
      });
      await stage.configure(id);
      await stage.untilRecorded(id, 'running', 2);
      return id;
    },
  },
  'sweeps-once': {
    play: async ({ rig }) => {
      const scheduleId = `sweeper/${rig.environment.TASK_QUEUE}`;
      const schedule = rig.client.schedule.getHandle(scheduleId);
      await schedule.trigger();
      for (;;) {
        const [latest] = (await schedule.describe()).info.recentActions;
        if (!latest) continue;
        const { workflowId, firstExecutionRunId } = latest.action.workflow;
        const handle = rig.client.workflow.getHandle(workflowId, firstExecutionRunId);
        await handle.result();
        return handle;
      }
    },
  },
};
