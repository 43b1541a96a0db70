import type { Agent, Json } from '../api/types.ts';
import { addressOf, go } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Field, Form } from '../ui/form.tsx';
import { Id } from '../ui/format.tsx';
import { JsonBox, useJsonField } from '../ui/json-field.tsx';
import { Load } from '../ui/loading.tsx';
import { sayInNextView } from '../ui/notice.tsx';
import { AgentVersions } from './agent-versions.tsx';
import { RolloutRows } from './rollout-rows.tsx';

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

const podTemplate: Json = {
  kind: 'kubernetes',
  image: 'registry.example.com/my-agent:1.0.0',
  memory_mebibytes: 256,
  cpus: 0.5,
  network: 'none',
  restart: { policy: 'on_failure', max_restarts: 5 },
};

export function PublishAgentView() {
  return (
    <>
      <h1>Publish an agent</h1>
      <AgentForm agent={undefined} />
    </>
  );
}

export function AgentView({ id }: { id: string }) {
  const admin = useAdmin();
  const load = async (signal: AbortSignal) => {
    const [agent, { versions }, { rollouts }] = await Promise.all([
      admin.agent(id, signal),
      admin.versions(id, signal),
      admin.rollouts({ agent_id: id, limit: '5' }, signal),
    ]);
    return { agent, versions, rollouts };
  };
  return (
    <>
      <h1>
        Agent <Id of={id} />
      </h1>
      <div>
        <Load from={load}>
          {({ agent, versions, rollouts }) => (
            <>
              <h2>Versions</h2>
              <AgentVersions agent={agent} versions={versions} />
              <h2>Rollouts</h2>
              <RolloutRows rollouts={rollouts} empty={<p>No version was rolled out yet.</p>} />
              {agent.rollout !== null && (
                <p class="small quiet">
                  {`Each new version is rolled out with the strategy ${JSON.stringify(agent.rollout)}.`}
                </p>
              )}
              <h2>A new version</h2>
              <AgentForm agent={agent} />
            </>
          )}
        </Load>
      </div>
    </>
  );
}

function AgentForm({ agent }: { agent: Agent | undefined }) {
  const admin = useAdmin();
  const runtime = useJsonField(agent?.runtime ?? processTemplate);

  const publish = async ({ name = '', version = '', capabilities = '' }: Record<string, string>): Promise<void> => {
    const spec = runtime.read();
    if (!spec) return;
    const words = capabilities.split(',').map((word) => word.trim());
    const fields = { name, version, capabilities: words.filter(Boolean), runtime: spec };
    await (agent ? admin.changeAgent(agent.id, fields) : admin.publishAgent(fields));
    sayInNextView(`${name} ${version} is published.`);
    go(addressOf(['agents']));
  };

  return (
    <Form onSend={publish} action={agent ? 'Publish this version' : 'Publish'} cancel="agents">
      <Field id="name" label="Name">
        <input id="name" name="name" required defaultValue={agent?.name ?? ''} />
      </Field>
      <Field id="version" label="Version">
        <input id="version" name="version" required defaultValue={agent?.version ?? '1.0.0'} />
      </Field>
      <Field id="capabilities" label="Capabilities" help="What it can do, with commas between.">
        <input
          id="capabilities"
          name="capabilities"
          defaultValue={agent?.capabilities.join(', ') ?? ''}
          aria-describedby="capabilities-help"
        />
      </Field>
      <JsonBox
        field={runtime}
        id="runtime"
        label="How it is run, as JSON"
        help={
          agent
            ? 'Instances go on with their versions. Other content needs another version.'
            : 'What else can be said here: examples/README.md.'
        }
        rows={17}
      />
      {!agent && (
        <div class="line">
          <button type="button" onClick={() => runtime.set(processTemplate)}>
            Template for a process
          </button>
          <button type="button" onClick={() => runtime.set(containerTemplate)}>
            Template for a container
          </button>
          <button type="button" onClick={() => runtime.set(podTemplate)}>
            Template for a pod
          </button>
        </div>
      )}
    </Form>
  );
}
