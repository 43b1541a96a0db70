import type { Agent, AgentVersion, Json } from '../api/types.ts';
import { addressOf, go, query } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Field, Form } from '../ui/form.tsx';
import { Id } from '../ui/format.tsx';
import { JsonBox, useJsonField } from '../ui/json-field.tsx';
import { Load } from '../ui/loading.tsx';
import { sayInNextView } from '../ui/notice.tsx';

const template: Json = {
  canary: { count: 1 },
  max_parallel: { percent: 10 },
  min_healthy_seconds: 30,
  max_failures: { percent: 5 },
};

export function StartRolloutView({ id }: { id: string }) {
  const admin = useAdmin();
  const load = async (signal: AbortSignal) => {
    const [agent, { versions }] = await Promise.all([admin.agent(id, signal), admin.versions(id, signal)]);
    return { agent, versions: versions.filter((version) => version.withdrawn_at === null) };
  };
  return (
    <>
      <h1>
        Roll out a version of agent <Id of={id} />
      </h1>
      <div>
        <Load from={load}>{(loaded) => <StartForm {...loaded} />}</Load>
      </div>
    </>
  );
}

function StartForm({ agent, versions }: { agent: Agent; versions: readonly AgentVersion[] }) {
  const admin = useAdmin();
  const strategy = useJsonField(agent.rollout ?? template);
  const chosen = query.value.get('version') ?? agent.version;

  const start = async ({ version = '' }: Record<string, string>): Promise<void> => {
    const given = strategy.read();
    if (!given) return;
    const { id } = await admin.startRollout(agent.id, { version, strategy: given });
    sayInNextView(`The rollout of ${agent.name} ${version} is requested.`);
    go(addressOf(['rollouts', id]));
  };

  return (
    <Form onSend={start} action="Roll out" cancel="agents">
      <Field id="version" label="Version">
        <select id="version" name="version" defaultValue={chosen}>
          {versions.map(({ version, is_stable: isStable }) => (
            <option key={version} value={version} selected={version === chosen}>
              {isStable ? `${version} (stable)` : version}
            </option>
          ))}
        </select>
      </Field>
      <JsonBox
        field={strategy}
        id="strategy"
        label="Strategy, as JSON"
        help="What is left out has its default. All members: docs/rollouts.md."
        rows={12}
      />
    </Form>
  );
}
