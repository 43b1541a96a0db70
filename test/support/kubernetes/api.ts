import { request, type RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';

interface Answer {
  message?: string;
  /** The objects of a list. */
  items?: unknown[];
}

/** Calls the API with a body as JSON, of which YAML is a superset. */
export async function callApi(
  kubeconfig: string,
  { method, path, body }: { method: string; path: string; body?: unknown },
): Promise<{ status: number; answer: Answer }> {
  const access = new KubeConfig();
  access.loadFromFile(kubeconfig);
  const contentType = method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json';
  const options: RequestOptions = { method, headers: { 'content-type': contentType } };
  await access.applyToHTTPSOptions(options);
  return new Promise((done, fail) => {
    const call = request(new URL(path, access.getCurrentCluster()?.server), options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('error', fail);
      response.on('end', () => done({ status: response.statusCode ?? 0, answer: readAnswer(text) }));
    });
    call.on('error', fail);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function readAnswer(text: string): Answer {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return { message: text };
  }
}
