/** One request, answered by a value of the expected shape or by one ApiError. */

import { ApiError, type FieldError } from "./error";
import { type Guard, isString, listOf, optional, shape } from "./guards";

/**
 * Asks the server and checks its answer.
 *
 * Rejects with an ApiError, or with the signal's reason when the request was aborted.
 */
export async function request<T>(
  path: string,
  isExpected: Guard<T>,
  init: RequestInit = {},
): Promise<T> {
  const { status, ok, text } = await exchange(path, init);
  const value = parse(text);
  if (ok && isExpected(value)) return value;
  if (!ok && isProblem(value)) throw fromProblem(value, status);
  throw new ApiError(
    "unreadable",
    `The server gave an answer that this page cannot read (status ${status}).`,
    { status },
  );
}

async function exchange(path: string, init: RequestInit) {
  try {
    const response = await fetch(path, init);
    const { status, ok } = response;
    return { status, ok, text: await response.text() };
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw new ApiError(
      "unreachable",
      "The server cannot be reached. Check the connection.",
      { cause },
    );
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface Problem {
  title: string;
  detail: string | undefined;
  errors: ProblemPart[] | undefined;
}

/** What is wrong with one field of the body (pointer) or of the query (parameter). */
interface ProblemPart {
  pointer: string | undefined;
  parameter: string | undefined;
  detail: string;
}

const isProblemPart = shape<ProblemPart>({
  pointer: optional(isString),
  parameter: optional(isString),
  detail: isString,
});

const isProblem = shape<Problem>({
  title: isString,
  detail: optional(isString),
  errors: optional(listOf(isProblemPart)),
});

function fromProblem(
  { title, detail, errors = [] }: Problem,
  status: number,
): ApiError {
  const fields = errors.map(({ pointer, parameter, detail }): FieldError => ({
    field: pointer === undefined ? (parameter ?? "") : fieldAt(pointer),
    detail,
  }));
  return new ApiError("problem", detail ?? title, { status, fields });
}

/** `body`, for the JSON pointer `/body`, also when it is written as the fragment `#/body`. */
function fieldAt(pointer: string): string {
  return pointer.replace(/^#?\//, "");
}
