/** A time as the kubelet writes it before each line that an agent printed, where the request asks for times. */
const timed = /^(\d{4}-\d{2}-\d{2}T\S+) (.*)$/;

/**
 * What an agent printed, and when. Undefined when it printed nothing. The kubelet answers with a sentence of its own, which has no time, where
 * the container was removed meanwhile ("unable to retrieve container logs").
 */
export function readPodLog(log: string): { text: string; at: Date } | undefined {
  const lines = log.split('\n').flatMap((line) => {
    const [, time, text] = timed.exec(line) ?? [];
    return time === undefined || text === undefined ? [] : [{ time, text }];
  });
  const last = lines.at(-1);
  const text = lines.map((line) => line.text).join('\n');
  return last === undefined || text.trim() === '' ? undefined : { text, at: new Date(last.time) };
}
