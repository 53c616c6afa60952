/** A long list that arrives page by page. */

import { useCallback, useEffect, useState } from "react";

import type { ApiError } from "../api/error";
import type { Page } from "../api/maria";
import { abortable } from "./abortable";

interface State<T> {
  readonly items: readonly T[];
  readonly phase: "loading" | "failed" | "more" | "complete";
  /** Why the last page did not come, in the phase `failed`. */
  readonly error: ApiError | null;
  /** The cursor of the page that is loading, or would be next. */
  readonly cursor: string | null;
}

/** How far the list has come. */
export interface Progress extends Pick<State<unknown>, "phase" | "error"> {
  /** Loads the next page, or tries again after a failure. */
  readonly next: () => void;
}

export interface Pages<T> extends Progress {
  readonly items: readonly T[];
  /** Changes what is here, without asking the server. */
  readonly change: (how: (items: readonly T[]) => readonly T[]) => void;
}

const start = {
  items: [],
  phase: "loading",
  error: null,
  cursor: null,
} as const;

/** `load` must be stable. A component that shows another list is another component: give it a `key`. */
export function usePages<T extends { id: number }>(
  load: (cursor: string | null, signal: AbortSignal) => Promise<Page<T>>,
): Pages<T> {
  const [{ cursor, ...state }, setState] = useState<State<T>>(start);
  const { phase } = state;

  useEffect(() => {
    if (phase !== "loading") return;
    return abortable(
      (signal) => load(cursor, signal),
      (page) => {
        setState((old) => withPage(old, page));
      },
      (error) => {
        setState((old) => ({ ...old, phase: "failed", error }));
      },
    );
  }, [load, cursor, phase]);

  const next = useCallback(() => {
    setState((old) =>
      old.phase === "more" || old.phase === "failed"
        ? { ...old, phase: "loading", error: null }
        : old,
    );
  }, []);

  const change = useCallback((how: (items: readonly T[]) => readonly T[]) => {
    setState((old) => ({ ...old, items: how(old.items) }));
  }, []);

  return { ...state, next, change };
}

/** What is here already stays as it is: it may be newer than the page. */
function withPage<T extends { id: number }>(
  old: State<T>,
  page: Page<T>,
): State<T> {
  const here = new Set(old.items.map(({ id }) => id));
  return {
    items: [...old.items, ...page.items.filter(({ id }) => !here.has(id))],
    phase: page.next === null ? "complete" : "more",
    error: null,
    cursor: page.next,
  };
}
