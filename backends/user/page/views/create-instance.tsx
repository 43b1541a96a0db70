import { useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import type { CatalogAgent, NewInstance } from '../api/types.ts';
import { addressOf, go } from '../router.ts';
import { useSession } from '../session.ts';
import { useOneAtATime } from '../ui/action.tsx';
import { ConfigBox } from '../ui/config-box.tsx';
import { Field } from '../ui/field.tsx';
import { useJsonField } from '../ui/json-field.tsx';
import { Loaded, useLifetime, useLoaded } from '../ui/loading.tsx';
import { Failure } from '../ui/notice.tsx';

export function CreateInstanceView() {
  const { api } = useSession();
  const { loading, value } = useLoaded(api.agents);
  const [first] = value?.agents ?? [];
  return (
    <>
      <h1>Create an instance</h1>
      <div>
        <Loaded loading={loading}>
          {value && first ? <CreateForm agents={value.agents} first={first} /> : <NoAgents />}
        </Loaded>
      </div>
    </>
  );
}

function NoAgents() {
  const { admin } = useSession();
  return (
    <div class="panel empty">
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
    </div>
  );
}

function CreateForm({ agents, first }: { agents: CatalogAgent[]; first: CatalogAgent }) {
  const { api, known } = useSession();
  const lifetime = useLifetime();
  const chosen = useSignal(first);
  const runs = useSignal(true);
  const failure = useSignal<unknown>(undefined);
  const config = useJsonField();
  const keyOf = useMemo(createIdempotencyKeys, []);

  const { isBusy, handle } = useOneAtATime(async () => {
    const value = config.read();
    if (!value) return;
    const body: NewInstance = {
      agent_id: chosen.value.id,
      config: value,
      desired_state: runs.value ? 'running' : 'stopped',
    };
    failure.value = undefined;
    try {
      const instance = await api.create(body, keyOf(body));
      known.learn(instance);
      if (!lifetime.aborted) go(addressOf(['instances', instance.id]));
    } catch (error) {
      failure.value = error;
    }
  });
  const choose = (id: string): void => {
    chosen.value = agents.find((agent) => agent.id === id) ?? first;
  };
  const { capabilities } = chosen.value;
  return (
    <form class="panel form" noValidate onSubmit={handle}>
      <Field id="agent" label="Agent">
        <select
          id="agent"
          aria-describedby="agent-help"
          value={chosen.value.id}
          onChange={({ currentTarget }) => choose(currentTarget.value)}
        >
          {agents.map(({ id, name, version }) => (
            <option key={id} value={id}>{`${name} ${version}`}</option>
          ))}
        </select>
        <p id="agent-help" class="quiet">
          {capabilities.length > 0 && `It can: ${capabilities.join(', ')}.`}
        </p>
      </Field>
      <ConfigBox field={config} help="Empty is fine: then the agent has its defaults." agentName={chosen.value.name} />
      <div class="check">
        <input
          type="checkbox"
          id="runs"
          checked={runs.value}
          onChange={({ currentTarget }) => (runs.value = currentTarget.checked)}
        />
        <label for="runs">Start it at once</label>
      </div>
      <Failure error={failure.value} />
      <div class="buttons">
        <button type="submit" class="primary" aria-disabled={isBusy}>
          Create
        </button>
        <a class="button" href={addressOf(['instances'])}>
          Cancel
        </a>
      </div>
    </form>
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
