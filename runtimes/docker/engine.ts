import type { ContainerCreateOptions, ContainerInfo, ImageInspectInfo } from 'dockerode';
import { pack } from 'tar-stream';
import { lastLines } from '../last-output.ts';
import { connect, type EngineAddress } from './connection.ts';
import { readContainer, type ContainerReading } from './container-reading.ts';
import { readSecrets } from './container-secrets.ts';
import { unless } from './engine-error.ts';

export type DockerEngine = ReturnType<typeof openEngine>;

/** The time limit of a request. */
const answerMs = 60_000;
const outputTailLines = 5;

/** The requests that the runtime sends. Those without a signal are short and must not be aborted halfway. */
export function openEngine(address: EngineAddress) {
  const docker = connect(address);
  const limited = (signal?: AbortSignal, timeoutMs = answerMs): { abortSignal: AbortSignal } => {
    const timeout = AbortSignal.timeout(timeoutMs);
    return { abortSignal: signal ? AbortSignal.any([signal, timeout]) : timeout };
  };

  const withoutSecrets = async (id: string, output: string): Promise<string> => {
    const secrets = await readSecrets(docker.getContainer(id), limited());
    return secrets ? lastLines(output, secrets) : '(hidden, because the config that names its secrets is gone)';
  };

  return {
    host: address.host,

    /** The id of the engine, which it keeps across restarts. */
    identify: async (): Promise<string> => {
      const { ID } = await (docker.info as (options: object) => Promise<{ ID?: unknown }>).call(docker, limited());
      if (typeof ID !== 'string' || ID === '') throw new Error('The Docker engine does not tell its id.');
      return ID;
    },

    /** By name or id. */
    inspect: async (container: string, signal?: AbortSignal): Promise<ContainerReading | undefined> => {
      const found = await docker.getContainer(container).inspect(limited(signal)).catch(unless(404));
      return found && readContainer(found);
    },

    inspectImage: (image: string, signal: AbortSignal): Promise<ImageInspectInfo | undefined> => {
      // The library passes the signal on, but its types lack it here.
      const options: object = limited(signal);
      return docker.getImage(image).inspect(options).catch(unless(404));
    },

    /** Resolves once the image is pulled. */
    pull: async (image: string, signal: AbortSignal): Promise<void> => {
      const progress = await docker.pull(image, { abortSignal: signal });
      await new Promise<void>((resolve, reject) => {
        docker.modem.followProgress(progress, (error: Error | null, steps: { error?: string }[]) => {
          // A failure after the answer has begun is reported as a step.
          const failed = steps.find((step) => step.error !== undefined)?.error;
          if (error === null && failed === undefined) resolve();
          else reject(error ?? new Error(failed));
        });
      });
    },

    /** @returns the id; undefined when a container of that name exists */
    create: async (options: ContainerCreateOptions): Promise<string | undefined> => {
      const created = await docker.createContainer({ ...options, ...limited() }).catch(unless(409));
      return created?.id;
    },

    /** Writes a file that every user in the container may read. */
    putFile: async (id: string, folder: string, name: string, content: string): Promise<void> => {
      const archive = pack();
      archive.entry({ name, mode: 0o444 }, content);
      archive.finalize();
      await docker.getContainer(id).putArchive(archive, { path: folder, ...limited() });
    },

    start: async (id: string): Promise<void> => {
      await docker.getContainer(id).start(limited()).catch(unless(304));
    },

    /** Sends SIGTERM, or the STOPSIGNAL of the image, and SIGKILL after the grace period, which is rounded up to seconds. */
    stop: async (id: string, graceSeconds: number, signal: AbortSignal): Promise<void> => {
      const options = { t: Math.ceil(graceSeconds), ...limited(signal, graceSeconds * 1000 + answerMs) };
      await docker.getContainer(id).stop(options).catch(unless(304, 404));
    },

    /** Ends the container and removes it with its volumes. The answer 409 means that a removal is under way. */
    remove: async (id: string): Promise<void> => {
      await docker
        .getContainer(id)
        .remove({ force: true, v: true, ...limited() })
        .catch(unless(404, 409));
    },

    /** The last lines that the container printed, with its secrets masked, and when. Undefined when it is gone or silent. */
    lastOutput: async (id: string): Promise<{ text: string; at: Date } | undefined> => {
      const options = { stdout: true, stderr: true, timestamps: true, tail: outputTailLines, ...limited() };
      const frames = await docker.getContainer(id).logs(options).catch(unless(404, 409));
      const output = frames && readOutput(frames);
      return output && { ...output, text: await withoutSecrets(id, output.text) };
    },

    /** The last lines of a text that the container printed, with the name of each secret in its place. */
    withoutSecrets,

    list: (label: string, signal?: AbortSignal): Promise<ContainerInfo[]> =>
      docker.listContainers({ all: true, filters: { label: [label] }, ...limited(signal) }),

    /** @param since seconds on the engine's clock; when left out, only new events come */
    events: (label: string, since: number | undefined, signal: AbortSignal): Promise<NodeJS.ReadableStream> =>
      docker.getEvents({
        filters: { type: ['container'], event: ['kill', 'die', 'destroy'], label: [label] },
        ...(since !== undefined && { since }),
        abortSignal: signal,
      }),
  };
}

/** Each frame has a header of eight bytes (the stream, three zeros, the length), then the time, a space and a line. */
function readOutput(frames: Buffer): { text: string; at: Date } | undefined {
  let text = '';
  let time = '';
  for (let at = 0; at + 8 <= frames.length;) {
    const end = at + 8 + frames.readUInt32BE(at + 4);
    const line = frames.toString('utf8', at + 8, end);
    const afterTime = line.indexOf(' ') + 1;
    time = line.slice(0, afterTime - 1);
    text += line.slice(afterTime);
    at = end;
  }
  return text.trim() === '' ? undefined : { text, at: new Date(time) };
}
