import { beforeEach, describe, expect, test } from "@jest/globals";

import { FakeServer, json, offline, problem } from "../test/server";
import { request } from "./client";
import { ApiError, asApiError } from "./error";
import { isNumber, shape } from "./guards";

const path = "/api/answer";
const isAnswer = shape<{ answer: number }>({ answer: isNumber });

let server: FakeServer;

beforeEach(() => {
  server = new FakeServer();
  server.install();
});

test("an answer of the agreed shape is given to the caller", async () => {
  server.next("GET", path, () => json({ answer: 42 }));

  await expect(request(path, isAnswer)).resolves.toEqual({ answer: 42 });
});

describe("everything that goes wrong is one type of error", () => {
  test("no network", async () => {
    server.next("GET", path, offline);

    await expect(request(path, isAnswer)).rejects.toMatchObject({
      name: "ApiError",
      kind: "unreachable",
      message: "The server cannot be reached. Check the connection.",
      status: undefined,
    });
  });

  test.each([
    [
      "a page of a proxy",
      new Response("<h1>Bad Gateway</h1>", { status: 502 }),
    ],
    ["JSON that explains nothing", json({ oops: true }, 500)],
    ["a welcome page in the place of JSON", new Response("<h1>Hello</h1>")],
    ["JSON of another shape", json({ answer: "42" })],
  ])("%s", async (_, response) => {
    server.next("GET", path, () => response);

    await expect(request(path, isAnswer)).rejects.toMatchObject({
      kind: "unreadable",
      status: response.status,
      message: `The server gave an answer that this page cannot read (status ${response.status}).`,
    });
  });

  test("a problem, in the words of the server", async () => {
    server.next("GET", path, () => problem(404, "Not Found", "No such thing."));

    await expect(request(path, isAnswer)).rejects.toMatchObject({
      kind: "problem",
      status: 404,
      message: "No such thing.",
      fields: [],
    });
  });

  test("a problem without details goes by its title", async () => {
    server.next("GET", path, () => problem(503, "Service Unavailable"));

    await expect(request(path, isAnswer)).rejects.toThrow(
      "Service Unavailable",
    );
  });

  test("a mistake of the page itself", () => {
    const mistake = new RangeError("off by one");

    expect(asApiError(mistake)).toMatchObject({
      kind: "unexpected",
      cause: mistake,
    });
  });
});

test("a problem tells what is wrong with each field", async () => {
  server.next("GET", path, () =>
    problem(422, "Unprocessable Content", "It is not valid.", [
      { pointer: "/body", detail: "Too long." },
      { pointer: "#/author", detail: "Unknown." },
      { parameter: "limit", detail: "Too large." },
      { detail: "Too late." },
    ]),
  );

  const error = await request(path, isAnswer).catch(asApiError);

  expect(error).toBeInstanceOf(ApiError);
  expect(error).toHaveProperty("fields", [
    { field: "body", detail: "Too long." },
    { field: "author", detail: "Unknown." },
    { field: "limit", detail: "Too large." },
    { field: "", detail: "Too late." },
  ]);
});

test("an aborted request ends with the reason, which is no error of the server", async () => {
  server.hold("GET", path);
  const controller = new AbortController();

  const answer = request(path, isAnswer, { signal: controller.signal });
  controller.abort();

  await expect(answer).rejects.toBe(controller.signal.reason);
});
