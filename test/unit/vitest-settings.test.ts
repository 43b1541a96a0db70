import { expect, test } from 'vitest';
import { removeMachineSettings } from '../support/environment.ts';
import config from '../../vitest.config.ts';

/** Less is exceeded now and then where every core is kept busy by something else. */
const leastMs = 20_000;

interface Project {
  name: string;
  setupFiles: string[];
  testTimeout: number;
  hookTimeout: number;
  expect: { poll: { timeout: number } };
}

const projects = (config.test?.projects ?? []).map((each) => (each as { test: Project }).test);

test.each(projects)('the project $name waits long enough everywhere', (project) => {
  const times = {
    testTimeout: project.testTimeout,
    hookTimeout: project.hookTimeout,
    poll: project.expect?.poll.timeout,
  };
  const tooShort = Object.entries(times).filter(([, time]) => !(time >= leastMs));
  expect(tooShort).toEqual([]);
  expect(project.setupFiles).toContain('test/support/patience.ts');
  expect(project.setupFiles[0]).toBe('test/support/without-machine-settings.ts');
});

const machine = {
  PATH: '/bin',
  HOME: '/root',
  DOCKER_HOST: 'tcp://127.0.0.1:1',
  DOCKER_CERT_PATH: '/certs',
  KUBERNETES_NAMESPACE: 'production',
  KUBECONFIG: '/elsewhere/kubeconfig',
  TASK_QUEUE: 'x',
  LOG_LEVEL: 'silent',
  HTTP_HOST: '10.9.9.9',
  JWT_SECRET: 'short',
  PGOPTIONS: '-c search_path=x',
  RABBITMQ_NODENAME: 'other',
  STACK_DIRECTORY: '/elsewhere',
  AGENTS_WORKER_DATABASE_PASSWORD: 'x',
  DATABASE_URL: 'postgres://127.0.0.1:1/x',
  AMQP_URL: 'amqp://127.0.0.1:1',
  RABBITMQ_4_AMQP_URL: 'amqp://127.0.0.1:1',
  TEMPORAL_ADDRESS: '127.0.0.1:1',
  TEST_DOCKER_HOST: 'unix:///run/other.sock',
  FORCE_COLOR: '1',
};

test('the main process keeps what names servers for the tests, and no other setting of the machine', () => {
  const environment = { ...machine };
  removeMachineSettings({ process: 'main', environment });
  const { PATH, HOME, KUBECONFIG, DATABASE_URL, AMQP_URL, RABBITMQ_4_AMQP_URL } = machine;
  const { TEMPORAL_ADDRESS, TEST_DOCKER_HOST, FORCE_COLOR } = machine;
  expect(environment).toEqual({
    PATH,
    HOME,
    KUBECONFIG,
    DATABASE_URL,
    AMQP_URL,
    RABBITMQ_4_AMQP_URL,
    TEMPORAL_ADDRESS,
    TEST_DOCKER_HOST,
    FORCE_COLOR,
  });
});

test('the processes that run tests keep none', () => {
  const environment = { ...machine };
  removeMachineSettings({ process: 'tests', environment });
  const { PATH, HOME, TEST_DOCKER_HOST } = machine;
  expect(environment).toEqual({ PATH, HOME, TEST_DOCKER_HOST });
});
