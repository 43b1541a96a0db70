/** A URL with a password before the host, or in a query parameter of PostgreSQL. */
const urlWithPassword = /([a-z][a-z\d+.-]*):\/\/([^\s/?#@]*:[^\s/?#@]+@|\S*[?&](ssl)?password=[^\s&])/i;

/** Advice on where the value of an option belongs instead. */
const placeOfOption: Readonly<Record<string, string>> = {
  '--management-url': 'Set RABBITMQ_MANAGEMENT_URL, or the file in RABBITMQ_MANAGEMENT_URL_FILE',
  '--config': 'Give the config as a file: --config @FILE',
};
/** Advice for other arguments, by the scheme of the URL. */
const placeOfScheme: Readonly<Record<string, string>> = {
  postgres: 'Set DATABASE_URL, or the file in DATABASE_URL_FILE',
  postgresql: 'Set DATABASE_URL, or the file in DATABASE_URL_FILE',
  amqp: 'Set AMQP_URL, or the file in AMQP_URL_FILE',
  amqps: 'Set AMQP_URL, or the file in AMQP_URL_FILE',
};

/** Sentences that say why the arguments are refused, without the password. Undefined when no argument has a URL with a password. */
export function findPasswordOnCommandLine(args: readonly string[]): string | undefined {
  for (const [index, arg] of args.entries()) {
    const scheme = urlWithPassword.exec(arg)?.[1] ?? schemeOfUrlWithPassword(arg.replace(/^--[\w-]+=/, ''));
    if (scheme === undefined) continue;
    const option = /^--[\w-]+(?==)/.exec(arg)?.[0] ?? args[index - 1] ?? '';
    const isOption = /^--[\w-]+$/.test(option);
    const place =
      placeOfOption[option] ?? placeOfScheme[scheme.toLowerCase()] ?? 'Set it in a variable of the environment';
    return (
      `${isOption ? `${option} holds` : 'An argument holds'} a URL with a password, and every user of this machine can read ` +
      `command lines. ${place}. The password that was given is known to others now: change it.`
    );
  }
  return undefined;
}

/** A whole argument may have any form that parses as a URL, such as `http:user:password@host`. */
function schemeOfUrlWithPassword(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.password ? url.protocol.slice(0, -1) : undefined;
}
