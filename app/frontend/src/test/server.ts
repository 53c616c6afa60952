/**
 * maria's server, in memory: it keeps the contract, and misbehaves when told.
 *
 * It stands where the network is, so a test goes through all of the page.
 */

import type { Conversation, Message } from "../api/maria";

type Answer = (request: Request) => Response | Promise<Response>;

interface Request {
  method: string;
  url: URL;
  body: string;
  signal: AbortSignal | null;
}

interface Surprise {
  method: string;
  path: string;
  answer: Answer;
}

const longestBody = 200;

export class FakeServer {
  conversations: Conversation[] = [];
  messages: Message[] = [];
  /** What was asked, such as `GET /api/conversations?limit=20`. */
  readonly asked: string[] = [];
  /** What was called off before the answer came. */
  readonly aborted: string[] = [];
  readonly #surprises: Surprise[] = [];

  /** Takes the place of the network. */
  install(): void {
    globalThis.fetch = (input, init) =>
      this.#receive(input as string, init ?? {});
  }

  /** The next such request is answered like this, once. */
  next(method: string, path: string, answer: Answer): void {
    this.#surprises.push({ method, path, answer });
  }

  /** The next such request waits for the release. */
  hold(method: string, path: string): () => void {
    const gate = Promise.withResolvers<undefined>();
    this.next(method, path, async (request) => {
      await gate.promise;
      return this.#answer(request);
    });
    return () => {
      gate.resolve(undefined);
    };
  }

  async #receive(path: string, init: RequestInit): Promise<Response> {
    const method = init.method ?? "GET";
    const signal = init.signal ?? null;
    const line = `${method} ${path}`;
    this.asked.push(line);

    const abort = Promise.withResolvers<never>();
    const onAbort = () => {
      this.aborted.push(line);
      abort.reject(signal?.reason as Error);
    };
    signal?.addEventListener("abort", onAbort);
    const request = {
      method,
      url: new URL(path, "http://maria.test"),
      body: init.body as string,
      signal,
    };
    const answer = this.#surpriseOrAnswer(request).finally(() => {
      signal?.removeEventListener("abort", onAbort);
    });
    return Promise.race([answer, abort.promise]);
  }

  async #surpriseOrAnswer(request: Request): Promise<Response> {
    const index = this.#surprises.findIndex(
      ({ method, path }) =>
        method === request.method && path === request.url.pathname,
    );
    const [surprise] = index < 0 ? [] : this.#surprises.splice(index, 1);
    return surprise ? surprise.answer(request) : this.#answer(request);
  }

  #answer({ method, url, body }: Request): Response {
    const [, id, rest] =
      /^\/api\/conversations(?:\/(\d+)(\/messages)?)?$/.exec(url.pathname) ??
      [];
    if (id === undefined) return json(page(this.conversations, url));

    const conversation = this.conversations.find(
      (candidate) => candidate.id === Number(id),
    );
    if (!conversation) {
      return problem(404, "Not Found", `There is no conversation ${id}.`);
    }
    if (rest === undefined) return json(conversation);
    if (method === "POST") return this.#post(conversation, body);
    return json(
      page(
        this.messages.filter((m) => m.conversation_id === conversation.id),
        url,
      ),
    );
  }

  #post(conversation: Conversation, text: string): Response {
    const { author: id, body } = JSON.parse(text) as {
      author: number;
      body: string;
    };
    const author = conversation.participants.find((person) => person.id === id);
    const errors = [];
    if (!author) {
      errors.push({ pointer: "/author", detail: "Must be a participant." });
    }
    if (body.trim() === "" || body.length > longestBody) {
      errors.push({
        pointer: "/body",
        detail: `Must have 1 to ${longestBody} characters.`,
      });
    }
    if (!author || errors.length > 0) {
      return problem(422, "Unprocessable Content", "It is not valid.", errors);
    }
    const message: Message = {
      id: Math.max(0, ...this.messages.map((m) => m.id)) + 1,
      conversation_id: conversation.id,
      author,
      body,
      created_at: "2026-03-14T08:30:00Z",
    };
    this.messages.unshift(message);
    return json(message, 201);
  }
}

export function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: { "Content-Type": "application/json" },
  });
}

export function problem(
  status: number,
  title: string,
  detail?: string,
  errors?: { pointer?: string; parameter?: string; detail: string }[],
): Response {
  const value = { type: "about:blank", title, status, detail, errors };
  return new Response(JSON.stringify(value), {
    status,
    headers: { "Content-Type": "application/problem+json" },
  });
}

/** What fetch says when there is no network. */
export function offline(): never {
  throw new TypeError("Failed to fetch");
}

function page<T>(all: readonly T[], url: URL) {
  const limit = Number(url.searchParams.get("limit"));
  const start = Number(url.searchParams.get("cursor") ?? 0);
  const end = start + limit;
  return {
    items: all.slice(start, end),
    next: end < all.length ? String(end) : null,
  };
}
