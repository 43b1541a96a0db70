import { serviceNames } from '../contracts/access.ts';

/** e.g. `EVENT_BROKER_DATABASE_PASSWORD`. */
export function passwordVariable(service: string, server: 'DATABASE' | 'AMQP'): string {
  return `${service.toUpperCase()}_${server}_PASSWORD`;
}

/** The passwords that variables of the environment give to services, by the services' names. */
export function passwordsIn(
  environment: Readonly<Record<string, string>>,
  server: 'DATABASE' | 'AMQP',
): Record<string, string> {
  return Object.fromEntries(
    serviceNames.flatMap((service) => {
      const password = environment[passwordVariable(service, server)];
      return password === undefined ? [] : [[service, password]];
    }),
  );
}
