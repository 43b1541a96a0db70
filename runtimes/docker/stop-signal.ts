/** Of Linux, by number from 1 on: a worker on another system has others, the engine's containers do not. */
const names =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'.split(
    ' ',
  );
const aliases: Record<string, number> = { CLD: 17, POLL: 29, IOT: 6 };
/** As container images have them; the C library keeps the first two for itself. */
const realTime = { RTMIN: 34, RTMAX: 64 };

/**
 * The number of a signal as STOPSIGNAL, `docker kill` or an event of the engine names it: `28`, `SIGWINCH`, `winch`,
 * `SIGRTMIN+3`. Undefined when it is none.
 */
export function signalNumber(text: string): number | undefined {
  const name = text.trim().toUpperCase().replace(/^SIG/, '');
  if (/^\d+$/.test(name)) return Number(name);
  const [, base, offset] = /^(RTMIN|RTMAX)([+-]\d+)?$/.exec(name) ?? [];
  if (base === 'RTMIN' || base === 'RTMAX') return realTime[base] + Number(offset ?? 0);
  return aliases[name] ?? (names.includes(name) ? names.indexOf(name) + 1 : undefined);
}
