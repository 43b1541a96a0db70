import type { Json, WorkerBuild } from '../api/types.ts';
import { addressOf, go, query } from '../router.ts';
import { useAdmin } from '../session.ts';
import { Field, Form } from '../ui/form.tsx';
import { JsonBox, useJsonField } from '../ui/json-field.tsx';
import { Load } from '../ui/loading.tsx';
import { sayInNextView } from '../ui/notice.tsx';

const template: Json = { steps: [1, 10, 50, 100], bake_seconds: 300, max_failures: 0, max_restarted: 0 };

export function StartDeploymentView() {
  const admin = useAdmin();
  return (
    <>
      <h1>Deploy a build of agents_worker</h1>
      <div>
        <Load from={admin.builds}>{({ builds }) => <StartForm builds={builds} />}</Load>
      </div>
    </>
  );
}

function StartForm({ builds }: { builds: readonly WorkerBuild[] }) {
  const admin = useAdmin();
  const strategy = useJsonField(template);
  const names = [...new Set(builds.map(({ deployment_name: name }) => name))];
  const chosen = query.value.get('name') ?? names[0] ?? '';
  const candidate = builds.find((build) => !build.is_current && build.is_running);

  const start = async ({ name = '', build = '' }: Record<string, string>): Promise<void> => {
    const given = strategy.read();
    if (!given) return;
    const { id } = await admin.deploy({ deployment_name: name.trim(), build_id: build.trim(), strategy: given });
    sayInNextView(`The deployment of ${build.trim()} is requested.`);
    go(addressOf(['deployments', id]));
  };

  return (
    <Form onSend={start} action="Deploy" cancel="deployments">
      <Field id="name" label="Deployment name">
        <input id="name" name="name" defaultValue={chosen} spellcheck={false} required />
      </Field>
      <Field id="build" label="Build" help="Its workers may also start after the deployment was requested.">
        <input
          id="build"
          name="build"
          aria-describedby="build-help"
          defaultValue={query.value.get('build') ?? candidate?.build_id ?? ''}
          spellcheck={false}
          required
        />
      </Field>
      <JsonBox
        field={strategy}
        id="strategy"
        label="Strategy, as JSON"
        help="What is left out has its default. All members: docs/deployments.md."
        rows={12}
      />
    </Form>
  );
}
