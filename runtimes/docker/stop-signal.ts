/** The signals of Linux by number, from 1 on. Containers have these numbers, also when the worker runs on another system. */
const names =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'.split(
    ' ',
  );
const aliases: Record<string, number> = { CLD: 17, POLL: 29, IOT: 6 };
/** The range for container images. The C library reserves the two signals before it. */
const realTime = { RTMIN: 34, RTMAX: 64 };

/**
 * The number of a signal in any form that STOPSIGNAL, `docker kill` or an event of the engine uses: `28`, `SIGWINCH`,
 * `winch` or `SIGRTMIN+3`. Undefined when the text names no signal.
 */
export function signalNumber(text: string): number | undefined {
  const name = text.trim().toUpperCase().replace(/^SIG/, '');
  if (/^\d+$/.test(name)) return Number(name);
  const [, base, offset] = /^(RTMIN|RTMAX)([+-]\d+)?$/.exec(name) ?? [];
  if (base === 'RTMIN' || base === 'RTMAX') return realTime[base] + Number(offset ?? 0);
  return aliases[name] ?? (names.includes(name) ? names.indexOf(name) + 1 : undefined);
}
