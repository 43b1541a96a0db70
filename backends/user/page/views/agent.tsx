import { useSignal } from '@preact/signals';
import type { Agent, AgentFields, Json } from '../api/types.ts';
import { addressOf, go } from '../router.ts';
import { useAdmin } from '../session.ts';
import { useOneAtATime } from '../ui/action.tsx';
import { Field } from '../ui/field.tsx';
import { textsOf } from '../ui/form.ts';
import { JsonBox, useJsonField } from '../ui/json-field.tsx';
import { Loaded, useLoaded } from '../ui/loading.tsx';
import { Failure, sayInNextView } from '../ui/notice.tsx';

const processTemplate: Json = {
  kind: 'process',
  command: ['node', 'agent.mjs'],
  working_directory: '/opt/agents/my-agent',
  ready: 'started',
  stop_grace_seconds: 10,
  restart: { policy: 'on_failure', max_restarts: 5 },
};

const containerTemplate: Json = {
  kind: 'docker',
  image: 'registry.example.com/my-agent:1.0.0',
  ready: 'started',
  memory_mebibytes: 256,
  network: 'none',
  restart: { policy: 'on_failure', max_restarts: 5 },
};

export function PublishAgentView() {
  return (
    <>
      <h1>Publish an agent</h1>
      <div>
        <AgentForm agent={undefined} />
      </div>
    </>
  );
}

export function NewVersionView({ id }: { id: string }) {
  const admin = useAdmin();
  const { loading, value: agent } = useLoaded((signal) => admin.agent(id, signal));
  return (
    <>
      <h1>A new version</h1>
      <div>
        <Loaded loading={loading}>{agent && <AgentForm agent={agent} />}</Loaded>
      </div>
    </>
  );
}

function AgentForm({ agent }: { agent: Agent | undefined }) {
  const admin = useAdmin();
  const failure = useSignal<unknown>(undefined);
  const runtime = useJsonField(agent?.runtime ?? processTemplate);

  const { isBusy, handle } = useOneAtATime(async (event) => {
    const spec = runtime.read();
    if (!spec) return;
    const { name = '', version = '', capabilities = '' } = textsOf(event);
    const fields: AgentFields = {
      name,
      version,
      capabilities: capabilities
        .split(',')
        .map((word) => word.trim())
        .filter(Boolean),
      runtime: spec,
    };
    try {
      await (agent ? admin.changeAgent(agent.id, fields) : admin.publishAgent(fields));
      sayInNextView(`${name} ${version} is published.`);
      go(addressOf(['agents']));
    } catch (error) {
      failure.value = error;
    }
  });

  return (
    <form class="panel form" onSubmit={handle}>
      <Field id="name" label="Name">
        <input id="name" name="name" required defaultValue={agent?.name ?? ''} />
      </Field>
      <Field id="version" label="Version">
        <input id="version" name="version" required defaultValue={agent?.version ?? '1.0.0'} />
      </Field>
      <Field id="capabilities" label="Capabilities">
        <input
          id="capabilities"
          name="capabilities"
          defaultValue={agent?.capabilities.join(', ') ?? ''}
          aria-describedby="capabilities-help"
        />
        <p id="capabilities-help" class="quiet">
          What it can do, with commas between.
        </p>
      </Field>
      <JsonBox
        field={runtime}
        id="runtime"
        label="How it is run, as JSON"
        help={
          agent
            ? 'Instances that run go on with what they were started with, until they are started anew.'
            : 'What else can be said here: examples/README.md.'
        }
        rows={17}
      />
      {!agent && (
        <div class="buttons">
          <button type="button" onClick={() => runtime.set(processTemplate)}>
            Template for a process
          </button>
          <button type="button" onClick={() => runtime.set(containerTemplate)}>
            Template for a container
          </button>
        </div>
      )}
      <Failure error={failure.value} />
      <div class="buttons">
        <button type="submit" class="primary" aria-disabled={isBusy}>
          {agent ? 'Publish this version' : 'Publish'}
        </button>
        <a class="button" href={addressOf(['agents'])}>
          Cancel
        </a>
      </div>
    </form>
  );
}
