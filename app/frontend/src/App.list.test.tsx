import { beforeEach, describe, expect, test } from "@jest/globals";
import { screen } from "@testing-library/react";

import { ada, aConversation, grace, newestFirst } from "./test/data";
import { openPage, textsOf, theList } from "./test/page";
import { FakeServer, offline, problem } from "./test/server";

const path = "/api/conversations";

let server: FakeServer;

beforeEach(() => {
  server = new FakeServer();
  server.install();
});

describe("the list of conversations", () => {
  test("says that it is loading, then shows what there is", async () => {
    server.conversations = [aConversation(1, { title: "Lunch" })];

    openPage();

    expect(theList().getByRole("status")).toHaveTextContent(
      "Loading conversations…",
    );
    expect(await theList().findByRole("link")).toHaveTextContent("Lunch");
    expect(theList().getByRole("status")).toBeEmptyDOMElement();
  });

  test("tells of each who takes part, how much was said, and when", async () => {
    server.conversations = [
      aConversation(1, {
        title: "Lunch",
        participants: [ada, grace],
        message_count: 1,
        last_message_at: "2024-03-12T14:05:00Z",
      }),
    ];

    openPage();

    expect(await theList().findByRole("listitem")).toHaveTextContent(
      /^Lunch12 Mar 2024Ada Lovelace and Grace Hopper1 message$/,
    );
    expect(theList().getByRole("link", { name: "Lunch" })).toHaveAttribute(
      "href",
      "#/conversations/1",
    );
  });

  test("dates a conversation without messages by its beginning", async () => {
    server.conversations = [
      aConversation(1, { created_at: "2024-01-02T09:00:00Z" }),
    ];

    openPage();

    expect(await theList().findByText("2 Jan 2024")).toBeVisible();
    expect(theList().getByText("0 messages")).toBeVisible();
  });

  test("says that it is empty", async () => {
    openPage();

    expect(
      await theList().findByText("There are no conversations yet."),
    ).toBeVisible();
  });

  test("asks for more, page by page, until there is no more", async () => {
    server.conversations = newestFirst(45, aConversation);
    const { user } = openPage();
    expect(await theList().findAllByRole("link")).toHaveLength(20);

    await user.click(theList().getByRole("button", { name: "Load more" }));
    expect(await theList().findByText("Conversation 6")).toBeVisible();
    expect(theList().getByRole("button", { name: "Load more" })).toHaveFocus();

    await user.keyboard("{Enter}");
    expect(await theList().findByText("Conversation 1")).toBeVisible();

    expect(theList().queryByRole("button")).not.toBeInTheDocument();
    expect(theList().getByRole("status")).toHaveFocus();
    expect(textsOf(theList().getAllByRole("link"))).toEqual(
      newestFirst(45, (id) => `Conversation ${id}`),
    );
    expect(server.asked).toEqual([
      "GET /api/conversations?limit=20",
      "GET /api/conversations?limit=20&cursor=20",
      "GET /api/conversations?limit=20&cursor=40",
    ]);
  });

  test("asks for a page once, however often one presses", async () => {
    server.conversations = newestFirst(45, aConversation);
    const { user } = openPage();
    await theList().findAllByRole("link");
    const release = server.hold("GET", path);

    await user.click(theList().getByRole("button", { name: "Load more" }));
    await user.click(theList().getByRole("button", { name: "Load more" }));
    expect(theList().getByRole("status")).toHaveTextContent("Loading");
    release();

    expect(await theList().findByText("Conversation 6")).toBeVisible();
    expect(server.asked).toHaveLength(2);
  });

  test("shows a conversation once, though it moved between two pages", async () => {
    server.conversations = newestFirst(25, aConversation);
    const { user } = openPage();
    await theList().findAllByRole("link");
    server.conversations.unshift(aConversation(26));

    await user.click(theList().getByRole("button", { name: "Load more" }));

    expect(await theList().findByText("Conversation 1")).toBeVisible();
    expect(theList().getAllByRole("link")).toHaveLength(25);
  });

  test.each([
    ["a problem of the server", () => problem(500, "Oops", "No database.")],
    ["a missing network", offline],
  ])("explains %s and tries again", async (_, answer) => {
    server.conversations = [aConversation(1)];
    server.next("GET", path, answer);
    const { user } = openPage();

    expect(await screen.findByRole("alert")).toHaveTextContent(
      /^The conversations could not be loaded\. (No database|The server cannot be reached)/,
    );
    await user.click(theList().getByRole("button", { name: "Try again" }));

    expect(await theList().findByText("Conversation 1")).toBeVisible();
    expect(screen.queryByRole("alert")).not.toBeInTheDocument();
  });

  test("keeps what it has when more of it does not come", async () => {
    server.conversations = newestFirst(25, aConversation);
    const { user } = openPage();
    await theList().findAllByRole("link");
    server.next("GET", path, offline);

    await user.click(theList().getByRole("button", { name: "Load more" }));
    expect(await screen.findByRole("alert")).toBeVisible();
    expect(theList().getAllByRole("link")).toHaveLength(20);

    await user.click(theList().getByRole("button", { name: "Try again" }));
    expect(await theList().findByText("Conversation 1")).toBeVisible();
    expect(theList().getAllByRole("link")).toHaveLength(25);
  });

  test("calls its request off when the page goes away", () => {
    server.hold("GET", path);
    const { unmount } = openPage();

    unmount();

    expect(server.aborted).toEqual(server.asked);
  });
});
