import { useEffect, useRef } from "react";

import type { Progress } from "../state/usePages";
import { Failure } from "./Failure";

interface Props {
  progress: Progress;
  empty: boolean;
  words: {
    loading: string;
    failed: string;
    empty: string;
    more: string;
    complete: string;
  };
}

/** How far a list has come, and the way to more of it. */
export function Paging({ progress, empty, words }: Props) {
  const { phase, error, next } = progress;
  const { status, ask } = useFocusKeeper(phase, next);

  return (
    <div className="paging">
      <p role="status" ref={status} tabIndex={-1}>
        {phase === "loading" && words.loading}
        {phase === "complete" && (empty ? words.empty : words.complete)}
      </p>
      {error !== null && (
        <Failure what={words.failed} error={error} onRetry={ask} />
      )}
      {(phase === "more" || (phase === "loading" && !empty)) && (
        // Not `disabled`, which would take the focus away from who pressed it.
        <button type="button" aria-disabled={phase === "loading"} onClick={ask}>
          {words.more}
        </button>
      )}
    </div>
  );
}

/** A button that vanishes after it was pressed leaves its focus to the status line. */
function useFocusKeeper(phase: string, next: () => void) {
  const status = useRef<HTMLParagraphElement>(null);
  const asked = useRef(false);

  useEffect(() => {
    if (asked.current && document.activeElement === document.body) {
      status.current?.focus({ preventScroll: true });
    }
  }, [phase]);

  function ask() {
    asked.current = true;
    next();
  }

  return { status, ask };
}
