import { type ApiError, asApiError } from "../api/error";

/**
 * Starts work that can be called off, and gives the function that does so.
 *
 * Made to be returned by an effect: after the call nothing more is heard of
 * the work, even when its answer was already on the way.
 */
export function abortable<T>(
  work: (signal: AbortSignal) => Promise<T>,
  onDone: (value: T) => void,
  onFailed: (error: ApiError) => void,
): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  work(signal).then(
    (value) => {
      if (!signal.aborted) onDone(value);
    },
    (error: unknown) => {
      if (!signal.aborted) onFailed(asApiError(error));
    },
  );
  return () => {
    controller.abort();
  };
}
