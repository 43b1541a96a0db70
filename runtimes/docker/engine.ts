import type { ContainerCreateOptions, ContainerInfo, ImageInspectInfo } from 'dockerode';
import { pack } from 'tar-stream';
import { lastLines } from '../last-output.ts';
import { connect, type EngineAddress } from './connection.ts';
import { readContainer, type ContainerReading } from './container-reading.ts';
import { readSecrets } from './container-secrets.ts';
import { unless } from './engine-error.ts';

export type DockerEngine = ReturnType<typeof openEngine>;

/** No answer to a request within this time counts as none. */
const answerMs = 60_000;
const outputTailLines = 5;

/** The requests that the runtime makes. Those without a signal are short, and must not be left half done. */
export function openEngine(address: EngineAddress) {
  const docker = connect(address);
  const limited = (signal?: AbortSignal, timeoutMs = answerMs): { abortSignal: AbortSignal } => {
    const timeout = AbortSignal.timeout(timeoutMs);
    return { abortSignal: signal ? AbortSignal.any([signal, timeout]) : timeout };
  };

  const withoutSecrets = async (id: string, output: string): Promise<string> => {
    const secrets = await readSecrets(docker.getContainer(id), limited());
    return secrets ? lastLines(output, secrets) : '(not shown, because its config is not there any more)';
  };

  return {
    host: address.host,

    /** By name or id. */
    inspect: async (container: string, signal?: AbortSignal): Promise<ContainerReading | undefined> => {
      const found = await docker.getContainer(container).inspect(limited(signal)).catch(unless(404));
      return found && readContainer(found);
    },

    inspectImage: (image: string, signal: AbortSignal): Promise<ImageInspectInfo | undefined> => {
      // The library passes it on, but its types leave it out here.
      const options: object = limited(signal);
      return docker.getImage(image).inspect(options).catch(unless(404));
    },

    /** Resolves once the image is there. */
    pull: async (image: string, signal: AbortSignal): Promise<void> => {
      const progress = await docker.pull(image, { abortSignal: signal });
      await new Promise<void>((resolve, reject) => {
        docker.modem.followProgress(progress, (error: Error | null, steps: { error?: string }[]) => {
          // What goes wrong once the answer has begun is told as a step of it.
          const failed = steps.find((step) => step.error !== undefined)?.error;
          if (error === null && failed === undefined) resolve();
          else reject(error ?? new Error(failed));
        });
      });
    },

    /** @returns the id; undefined when there is a container of that name already */
    create: async (options: ContainerCreateOptions): Promise<string | undefined> => {
      const created = await docker.createContainer({ ...options, ...limited() }).catch(unless(409));
      return created?.id;
    },

    /** Puts a file that everybody in the container may read into one of its folders. */
    putFile: async (id: string, folder: string, name: string, content: string): Promise<void> => {
      const archive = pack();
      archive.entry({ name, mode: 0o444 }, content);
      archive.finalize();
      await docker.getContainer(id).putArchive(archive, { path: folder, ...limited() });
    },

    start: async (id: string): Promise<void> => {
      await docker.getContainer(id).start(limited()).catch(unless(304));
    },

    /** SIGTERM, or what the image names instead, and SIGKILL after the grace period, of whole seconds. */
    stop: async (id: string, graceSeconds: number, signal: AbortSignal): Promise<void> => {
      const options = { t: Math.ceil(graceSeconds), ...limited(signal, graceSeconds * 1000 + answerMs) };
      await docker.getContainer(id).stop(options).catch(unless(304, 404));
    },

    /** Removes it with its volumes, ending it if it still runs. The answer 409 means that its removal is under way. */
    remove: async (id: string): Promise<void> => {
      await docker
        .getContainer(id)
        .remove({ force: true, v: true, ...limited() })
        .catch(unless(404, 409));
    },

    /** The last lines that it printed, without its secrets, and when; none when it is gone. */
    lastOutput: async (id: string): Promise<{ text: string; at: Date } | undefined> => {
      const options = { stdout: true, stderr: true, timestamps: true, tail: outputTailLines, ...limited() };
      const frames = await docker.getContainer(id).logs(options).catch(unless(404, 409));
      const output = frames && readOutput(frames);
      return output && { ...output, text: await withoutSecrets(id, output.text) };
    },

    /** The last lines of something that the container printed, with the names of its secrets in their place. */
    withoutSecrets,

    list: (label: string, signal?: AbortSignal): Promise<ContainerInfo[]> =>
      docker.listContainers({ all: true, filters: { label: [label] }, ...limited(signal) }),

    /** @param since seconds on the engine's clock; only what happens from now on when left out */
    events: (label: string, since: number | undefined, signal: AbortSignal): Promise<NodeJS.ReadableStream> =>
      docker.getEvents({
        filters: { type: ['container'], event: ['kill', 'die', 'destroy'], label: [label] },
        ...(since !== undefined && { since }),
        abortSignal: signal,
      }),
  };
}

/** Each line has a header of eight bytes (the stream, three zeros, the length), and then its time and a space. */
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
