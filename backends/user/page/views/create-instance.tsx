import { useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import type { CatalogAgent, Me, NewInstance } from '../api/types.ts';
import { addressOf, go } from '../router.ts';
import { useSession } from '../session.ts';
import { ConfigBox } from '../ui/config-box.tsx';
import { Field, Form } from '../ui/form.tsx';
import { useJsonField } from '../ui/json-field.tsx';
import { Load, useLifetime } from '../ui/loading.tsx';
import { Empty } from '../ui/rows.tsx';

export function CreateInstanceView() {
  const { api } = useSession();
  const load = async (signal: AbortSignal) => {
    const [{ agents }, { instance_limit: limit }] = await Promise.all([api.agents(signal), api.me()]);
    return { agents, limit };
  };
  return (
    <>
      <h1>Create an instance</h1>
      <div>
        <Load from={load}>
          {({ agents, limit }) => (
            <>
              {agents[0] ? <CreateForm agents={agents} first={agents[0]} /> : <NoAgents />}
              {limit && <LimitNote {...limit} />}
            </>
          )}
        </Load>
      </div>
    </>
  );
}

function LimitNote({ present, at_most: atMost }: NonNullable<Me['instance_limit']>) {
  const advice = present < atMost ? '' : ' Delete one before you create another.';
  return <p class="quiet">{`You have ${present} of the ${atMost} instances that you may have.${advice}`}</p>;
}

function NoAgents() {
  const { admin } = useSession();
  return (
    <Empty>
      <p>No agent is published that an instance could be made of.</p>
      {admin ? (
        <p>
          <a class="button primary" href={addressOf(['agents', 'new'])}>
            Publish an agent
          </a>
        </p>
      ) : (
        <p>Ask whoever runs this engine to publish one.</p>
      )}
    </Empty>
  );
}

function CreateForm({ agents, first }: { agents: CatalogAgent[]; first: CatalogAgent }) {
  const { api, known } = useSession();
  const lifetime = useLifetime();
  const chosen = useSignal(first);
  const config = useJsonField();
  const keyOf = useMemo(createIdempotencyKeys, []);

  const create = async ({ runs }: Record<string, string>): Promise<void> => {
    const value = config.read();
    if (!value) return;
    const body: NewInstance = {
      agent_id: chosen.value.id,
      config: value,
      desired_state: runs ? 'running' : 'stopped',
    };
    const instance = await api.create(body, keyOf(body));
    known.learn(instance);
    if (!lifetime.aborted) go(addressOf(['instances', instance.id]));
  };
  const choose = (id: string): void => {
    chosen.value = agents.find((agent) => agent.id === id) ?? first;
  };
  const { id, name: agentName, capabilities } = chosen.value;
  return (
    <Form onSend={create} action="Create" cancel="instances">
      <Field id="agent" label="Agent" help={capabilities.length > 0 ? `It can: ${capabilities.join(', ')}.` : ''}>
        <select
          id="agent"
          aria-describedby="agent-help"
          value={id}
          onChange={({ currentTarget }) => choose(currentTarget.value)}
        >
          {agents.map((agent) => (
            <option key={agent.id} value={agent.id}>{`${agent.name} ${agent.version}`}</option>
          ))}
        </select>
      </Field>
      <ConfigBox field={config} help="Empty is fine: then the agent has its defaults." agentName={agentName} />
      <div class="check inline">
        <input type="checkbox" id="runs" name="runs" defaultChecked />
        <label for="runs">Start it at once</label>
      </div>
    </Form>
  );
}

/** The same body gets the same key: sent again after an answer that was lost, it creates no second instance. */
function createIdempotencyKeys(): (body: NewInstance) => string {
  let before = '';
  let key = '';
  return (body) => {
    const now = JSON.stringify(body);
    if (now !== before) {
      // `crypto.randomUUID` is missing where the page is served without TLS.
      key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16)).join('-');
    }
    before = now;
    return key;
  };
}
