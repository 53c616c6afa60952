import { expect, jest, test } from "@jest/globals";

import { abortable } from "./abortable";

test("work gives its value", async () => {
  const done = jest.fn();
  const failed = jest.fn();

  abortable(() => Promise.resolve(42), done, failed);
  await settled();

  expect(done).toHaveBeenCalledWith(42);
  expect(failed).not.toHaveBeenCalled();
});

test("work that fails gives one type of error", async () => {
  const done = jest.fn();
  const failed = jest.fn();

  abortable(() => Promise.reject(new Error("oops")), done, failed);
  await settled();

  expect(failed).toHaveBeenCalledWith(
    expect.objectContaining({ kind: "unexpected" }),
  );
  expect(done).not.toHaveBeenCalled();
});

test.each([
  ["a value", () => Promise.resolve(42)],
  ["a failure", () => Promise.reject(new Error("oops"))],
])(
  "%s that is already on the way is dropped after an abort",
  async (_, work) => {
    const done = jest.fn();
    const failed = jest.fn();

    const abort = abortable(work, done, failed);
    abort();
    await settled();

    expect(done).not.toHaveBeenCalled();
    expect(failed).not.toHaveBeenCalled();
  },
);

test("the work hears of the abort", () => {
  const signals: AbortSignal[] = [];
  const abort = abortable(
    (signal) => {
      signals.push(signal);
      return new Promise(() => undefined);
    },
    () => undefined,
    () => undefined,
  );
  expect(signals).toHaveProperty("[0].aborted", false);

  abort();

  expect(signals).toHaveProperty("[0].aborted", true);
});

function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
