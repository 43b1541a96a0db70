import { Observable, type ConfigurationOptions, type ObservableMiddleware } from '@kubernetes/client-node';

/** The time limit of a request. */
export const answerMs = 30_000;

/** The library has no option for a signal, so a middleware sets it. */
export function options({
  signal,
  contentType,
  timeoutMs = answerMs,
}: { signal?: AbortSignal | undefined; contentType?: string; timeoutMs?: number } = {}) {
  const timeout = AbortSignal.timeout(timeoutMs);
  const limited = signal ? AbortSignal.any([signal, timeout]) : timeout;
  const middleware: ObservableMiddleware = {
    pre: (request) => {
      request.setSignal(limited);
      if (contentType !== undefined) request.setHeaderParam('Content-Type', contentType);
      return new Observable(Promise.resolve(request));
    },
    post: (response) => new Observable(Promise.resolve(response)),
  };
  return { middleware: [middleware], middlewareMergeStrategy: 'append' } satisfies ConfigurationOptions;
}
