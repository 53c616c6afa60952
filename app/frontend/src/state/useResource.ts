/** One thing that is loaded when the component appears. */

import { useCallback, useEffect, useState } from "react";

import type { ApiError } from "../api/error";
import { abortable } from "./abortable";

interface State<T> {
  readonly phase: "loading" | "failed" | "ready";
  readonly value: T | null;
  readonly error: ApiError | null;
}

export interface Resource<T> extends Omit<State<T>, "phase"> {
  /** Tries again after a failure. */
  readonly retry: () => void;
}

const start = { phase: "loading", value: null, error: null } as const;

/** `load` must be stable. */
export function useResource<T>(
  load: (signal: AbortSignal) => Promise<T>,
): Resource<T> {
  const [{ phase, value, error }, setState] = useState<State<T>>(start);

  useEffect(() => {
    if (phase !== "loading") return;
    return abortable(
      load,
      (value) => {
        setState({ phase: "ready", value, error: null });
      },
      (error) => {
        setState({ phase: "failed", value: null, error });
      },
    );
  }, [load, phase]);

  const retry = useCallback(() => {
    setState(start);
  }, []);

  return { value, error, retry };
}
