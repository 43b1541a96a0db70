import { join } from 'node:path';
import { signDevelopmentToken } from '../backends/http/development-tokens.ts';
import { readConfiguration, type Configuration } from '../configuration/configuration.ts';
import { adminId, exampleUserId } from './example.ts';
import { defaultPortBase, portsFrom } from './ports.ts';
import { keptSecret } from './kept-secret.ts';
import type { StackServers } from './stack-options.ts';

export interface BackendSettingsOptions {
  directory: string;
  portBase: number | undefined;
  servers: StackServers;
  settings: Readonly<Record<string, string>>;
}

export interface Backends {
  /** Settings of both backends: their addresses, tokens and the Web UI, as variables of the environment. */
  settings: Record<string, string>;
  tokens: Configuration['http']['tokens'];
  pageUrl: string;
  adminUrl: string;
}

/** Tokens are checked by the settings of the environment, or else by a secret that this checkout keeps. */
export async function backendSettings(options: BackendSettingsOptions): Promise<Backends> {
  const { directory, portBase = defaultPortBase, servers, settings } = options;
  const { userBackend, adminBackend } = portsFrom(portBase);
  const pageUrl = `http://127.0.0.1:${userBackend}`;
  const adminUrl = `http://127.0.0.1:${adminBackend}`;
  const given = readConfiguration(settings).http.tokens;
  const own = {
    USER_BACKEND_PORT: String(userBackend),
    ADMIN_BACKEND_PORT: String(adminBackend),
    ADMIN_BACKEND_URL: adminUrl,
    ALLOWED_ORIGINS: pageUrl,
    ...(servers.temporal && { TEMPORAL_UI_URL: servers.temporal.uiUrl }),
    ...(!given && { JWT_SECRET: await keptSecret(join(directory, 'token-secret')) }),
  };
  const { tokens } = readConfiguration({ ...settings, ...own }, { needsTokens: true }).http;
  return { settings: own, tokens, pageUrl, adminUrl };
}

export async function pageAddresses({ tokens, pageUrl }: Backends): Promise<string[]> {
  const user = tokens && (await signDevelopmentToken(tokens, { userId: exampleUserId }));
  const admin = tokens && (await signDevelopmentToken(tokens, { userId: adminId, roles: ['admin'] }));
  if (user === undefined || admin === undefined) {
    return [`Open the page, with a token of your own issuer: ${pageUrl}`];
  }
  return [
    'Open the page:',
    `  as a user    ${pageUrl}/#token=${user}`,
    `  as an admin  ${pageUrl}/#token=${admin}`,
    'The tokens in these addresses were made for development and are good for 24 hours.',
  ];
}
