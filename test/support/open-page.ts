import { randomUUID } from 'node:crypto';
import { chromium, type Browser, type BrowserContextOptions, type ConsoleMessage, type Page } from 'playwright-core';
import { beforeEach, expect, inject, vi } from 'vitest';
import { choosePorts } from '../../stack/ports.ts';
import { publishExampleAgent } from '../../stack/example.ts';
import { startAdminBackend } from './admin-backend.ts';
import { startUserBackend } from './backends.ts';
import { useRig, type Rig, type UseRigOptions } from './rig.ts';
import { signToken } from './tokens.ts';
import { useOpened } from './use-opened.ts';

type PageRig = Awaited<ReturnType<typeof openPages>>;

/** Somebody's page. */
export interface SignIn extends BrowserContextOptions {
  userId?: string;
  isAdmin?: boolean;
  /** Of the page, e.g. `#/instances?status=failed`. */
  view?: string;
}

/** The whole system and a browser, for the tests of a file or of a `describe`. */
export function usePages(options: UseRigOptions = {}): { rig: Rig; pages: PageRig } {
  const rig = useRig({ services: ['event_broker', 'agents_worker'], ...options });
  const pages = useOpened(
    () => openPages(rig),
    ({ close }) => close(),
  );
  beforeEach(() => {
    pages.errors.length = 0;
  });
  return { rig, pages };
}

/** Both backends on the rig's servers, the example agent, and a browser, in which any number of people open the page. */
async function openPages(rig: Rig, { browserAddress = inject('chromium') ?? '' } = {}) {
  // The two know each other's address, and a backend that comes back is at its former one.
  const { userBackend: userPort, adminBackend: adminPort } = await choosePorts('free');
  const url = `http://127.0.0.1:${userPort}`;
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  const startUser = () =>
    startUserBackend(rig, {
      USER_BACKEND_PORT: String(userPort),
      ADMIN_BACKEND_URL: adminUrl,
      TEMPORAL_UI_URL: 'http://127.0.0.1:8233',
    });
  let user = await startUser();
  const admin = await startAdminBackend(rig, { ADMIN_BACKEND_PORT: String(adminPort), ALLOWED_ORIGINS: url });
  const agentId = await publishExampleAgent(rig.environment.DATABASE_URL);
  // A page asks for the agents once, and user_backend hears of them by itself.
  const { api } = await user.user();
  await vi.waitFor(async () =>
    expect((await api('GET', '/v1/agents')).body).toMatchObject({ agents: [{ id: agentId }] }),
  );
  const browser: Browser = await chromium.connect(browserAddress);
  /** What pages said in their consoles that is an error. */
  const errors: string[] = [];

  const open = async (address: string, options: BrowserContextOptions = {}): Promise<Page> => {
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
    context.setDefaultTimeout(30_000);
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error' && !isAskedInVain(message)) errors.push(message.text());
    });
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(`${url}/${address}`);
    return page;
  };

  return {
    url,
    agentId,
    errors,
    open,
    /** As by an address that `npm start` prints. */
    signIn: async ({ userId = randomUUID(), isAdmin = false, view, ...options }: SignIn = {}): Promise<Page> => {
      const token = await signToken({ userId, roles: isAdmin ? ['admin'] : [] });
      const page = await open(`#token=${token}`, options);
      await page.getByText('Live', { exact: true }).waitFor();
      if (view !== undefined) await page.goto(`${url}/${view}`);
      return page;
    },
    /** An instance of the example agent. */
    insertInstance: async (userId: string, config: object = {}): Promise<string> => {
      const { rows } = await rig.pool.query<{ id: string }>(
        'insert into instances (agent_id, user_id, config) values ($1, $2, $3) returning id',
        [agentId, userId, config],
      );
      return rows[0]?.id ?? '';
    },
    stopUserBackend: () => user.stop(),
    startUserBackend: async () => {
      user = await startUser();
    },
    close: async () => {
      // The browser itself goes on: this closes the contexts that were opened here.
      await browser.close();
      await Promise.all([user.stop(), admin.stop()]);
    },
  };
}

/** An instance that is being deleted may be asked for once more, which a browser counts as an error. */
function isAskedInVain(message: ConsoleMessage): boolean {
  return message.text().includes('404') && message.location().url.includes('/v1/instances/');
}

/** The status, in words, that a list shows of an instance; '' while it shows none. */
export async function statusInList(page: Page, id: string): Promise<string> {
  const badge = page.locator(`[data-instance="${id}"] .badge`);
  return (await badge.count()) === 0 ? '' : ((await badge.textContent()) ?? '');
}

/** The same in the view of one instance. */
export async function statusInView(page: Page): Promise<string> {
  return (await page.locator('.heading .badge').textContent()) ?? '';
}
