import type { ApiError } from "../api/error";

interface Props {
  /** What did not work, as a sentence. */
  what: string;
  error: ApiError;
  onRetry: () => void;
}

export function Failure({ what, error, onRetry }: Props) {
  return (
    <div className="failure">
      <p role="alert">
        <strong>{what}</strong> {error.message}
      </p>
      <button type="button" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}
