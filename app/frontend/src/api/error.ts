/** What can go wrong between this page and its server, as one type. */

export type ApiErrorKind =
  /** No answer came. */
  | "unreachable"
  /** An answer came, and it is not what was agreed. */
  | "unreadable"
  /** The server said what is wrong, in the words of RFC 9457. */
  | "problem"
  /** A mistake of this page. */
  | "unexpected";

/** What is wrong with one field of what was sent. */
export interface FieldError {
  readonly field: string;
  readonly detail: string;
}

interface ApiErrorOptions extends ErrorOptions {
  readonly status?: number;
  readonly fields?: readonly FieldError[];
}

/** The message is a sentence for the reader of the page. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly kind: ApiErrorKind;
  /** The HTTP status, when there was an answer. */
  readonly status: number | undefined;
  readonly fields: readonly FieldError[];

  constructor(
    kind: ApiErrorKind,
    message: string,
    { status, fields = [], ...options }: ApiErrorOptions,
  ) {
    super(message, options);
    this.kind = kind;
    this.status = status;
    this.fields = fields;
  }

  /** What is wrong with this field, if anything. */
  at(field: string): string | undefined {
    return this.fields.find((error) => error.field === field)?.detail;
  }
}

export function asApiError(cause: unknown): ApiError {
  if (cause instanceof ApiError) return cause;
  return new ApiError("unexpected", "Something went wrong in this page.", {
    cause,
  });
}
