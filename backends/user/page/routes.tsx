import type { ComponentType, VNode } from 'preact';
import { parse, type RouteParams } from 'regexparam';
import { AgentView, PublishAgentView } from './views/agent.tsx';
import { AgentsView } from './views/agents.tsx';
import { AuditView } from './views/audit.tsx';
import { CreateInstanceView } from './views/create-instance.tsx';
import { DeadLetterView } from './views/dead-letter.tsx';
import { DeadLettersView } from './views/dead-letters.tsx';
import { DeploymentView } from './views/deployment.tsx';
import { DeploymentsView } from './views/deployments.tsx';
import { HostsView } from './views/hosts.tsx';
import { InstanceView } from './views/instance.tsx';
import { InstancesView } from './views/instances.tsx';
import { NotFoundView } from './views/not-found.tsx';
import { RolloutView } from './views/rollout.tsx';
import { RolloutsView } from './views/rollouts.tsx';
import { StartDeploymentView } from './views/start-deployment.tsx';
import { StartRolloutView } from './views/start-rollout.tsx';
import { shortId } from './ui/format.tsx';

interface RouteOptions {
  /** Text of the link in the navigation. A view without one is reached from other views. */
  link?: string;
  forAdmins?: boolean;
}

interface Route extends RouteOptions {
  pattern: string;
  /** The view at a path of the pattern; undefined for other paths. */
  match: (path: string) => { title: string; view: VNode } | undefined;
}

/** Every view of the page. The first pattern that matches counts; its parameters are the properties of the component. */
export const routes: Route[] = [
  route('/', 'Instances', InstancesView),
  route('/instances', 'Instances', InstancesView, { link: 'Instances' }),
  route('/instances/:id', ({ id }) => `Instance ${shortId(id)}`, InstanceView),
  route('/new', 'Create an instance', CreateInstanceView),
  route('/agents', 'Agents', AgentsView, { link: 'Agents', forAdmins: true }),
  route('/agents/new', 'Publish an agent', PublishAgentView, { forAdmins: true }),
  route('/agents/:id', ({ id }) => `Agent ${shortId(id)}`, AgentView, { forAdmins: true }),
  route('/agents/:id/rollout', ({ id }) => `Roll out agent ${shortId(id)}`, StartRolloutView, { forAdmins: true }),
  route('/rollouts', 'Rollouts', RolloutsView, { link: 'Rollouts', forAdmins: true }),
  route('/rollouts/:id', ({ id }) => `Rollout ${shortId(id)}`, RolloutView, { forAdmins: true }),
  route('/deployments', 'Deployments', DeploymentsView, { link: 'Deployments', forAdmins: true }),
  route('/deployments/new', 'Deploy a build', StartDeploymentView, { forAdmins: true }),
  route('/deployments/:id', ({ id }) => `Deployment ${shortId(id)}`, DeploymentView, { forAdmins: true }),
  route('/hosts', 'Hosts', HostsView, { link: 'Hosts', forAdmins: true }),
  route('/audit', 'Audit trail', AuditView, { link: 'Audit trail', forAdmins: true }),
  route('/dead-letters', 'Dead letters', DeadLettersView, { link: 'Dead letters', forAdmins: true }),
  route('/dead-letters/:queue/:id', 'A dead letter', DeadLetterView, { forAdmins: true }),
];

/** The view at a path, which depends on who is signed in. */
export function findView(path: string, isAdmin: boolean): { title: string; view: VNode } {
  for (const { match, forAdmins } of routes) {
    const found = !forAdmins || isAdmin ? match(path) : undefined;
    if (found) return found;
  }
  return { title: 'Not found', view: <NotFoundView /> };
}

function route<Pattern extends string>(
  pattern: Pattern,
  title: string | ((params: RouteParams<Pattern>) => string),
  View: ComponentType<RouteParams<Pattern>>,
  options: RouteOptions = {},
): Route {
  const { keys, pattern: expression } = parse(pattern);
  const match: Route['match'] = (path) => {
    const found = expression.exec(path);
    if (!found) return undefined;
    const values = keys.map((key, index) => [key, decode(found[index + 1] ?? '')]);
    const params = Object.fromEntries(values) as RouteParams<Pattern>;
    return { title: typeof title === 'string' ? title : title(params), view: <View key={path} {...params} /> };
  };
  return { ...options, pattern, match };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
