import { beforeEach, describe, expect, test } from "@jest/globals";
import { screen, waitFor } from "@testing-library/react";

import { ada, aConversation, aMessage, grace, newestFirst } from "./test/data";
import { openPage, textsOf, theConversation, theList } from "./test/page";
import { FakeServer, offline, problem } from "./test/server";

let server: FakeServer;

beforeEach(() => {
  server = new FakeServer();
  server.conversations = [
    aConversation(1, { title: "Lunch" }),
    aConversation(2, { title: "Budget" }),
  ];
  server.install();
});

function messages() {
  return theConversation().queryAllByRole("listitem");
}

describe("opening a conversation", () => {
  test("begins with an invitation", async () => {
    openPage();

    expect(await theList().findByText("Lunch")).toBeVisible();
    expect(
      theConversation().getByText("Choose a conversation to read it here."),
    ).toBeVisible();
  });

  test("shows its title, its people and its messages, the oldest first", async () => {
    server.messages = [
      aMessage(3, { author: grace, body: "At noon." }),
      aMessage(2, { author: ada, body: "When?" }),
      aMessage(1, { author: grace, created_at: "2026-03-11T23:59:00Z" }),
    ];
    const { user } = openPage();

    await user.click(await theList().findByRole("link", { name: "Lunch" }));

    expect(
      await theConversation().findByRole("heading", { name: "Lunch" }),
    ).toBeVisible();
    expect(
      theConversation().getByText("Ada Lovelace and Grace Hopper"),
    ).toBeVisible();
    expect(await theConversation().findByText("At noon.")).toBeVisible();
    expect(textsOf(messages())).toEqual([
      "GHGrace Hopper 23:59Message 1",
      "ALAda Lovelace 14:02When?",
      "GHGrace Hopper 14:03At noon.",
    ]);
    expect(
      textsOf(theConversation().getAllByRole("heading", { level: 3 })),
    ).toEqual([
      expect.stringMatching(/^Wednesday,? 11 March 2026$/),
      expect.stringMatching(/^Thursday,? 12 March 2026$/),
    ]);
  });

  test("moves the focus to its heading, marks it in the list and names the window", async () => {
    const { user } = openPage();

    await user.click(await theList().findByRole("link", { name: "Lunch" }));

    expect(await screen.findByRole("heading", { name: "Lunch" })).toHaveFocus();
    expect(theList().getByRole("link", { current: "page" })).toHaveTextContent(
      "Lunch",
    );
    expect(document.title).toBe("Lunch – maria");
  });

  test("needs no mouse, and coming back leads to where one was", async () => {
    const { user } = openPage();
    const link = await theList().findByRole("link", { name: "Budget" });
    link.focus();

    await user.keyboard("{Enter}");
    expect(
      await screen.findByRole("heading", { name: "Budget" }),
    ).toHaveFocus();

    await user.click(screen.getByRole("link", { name: "All conversations" }));
    await waitFor(() => {
      expect(link).toHaveFocus();
    });
    expect(document.title).toBe("maria");
  });

  test("offers a short way past the list", async () => {
    const { user } = openPage();
    await theList().findByText("Lunch");

    await user.tab();
    await user.tab();
    expect(
      screen.getByRole("button", { name: "Skip to the conversation" }),
    ).toHaveFocus();
    await user.keyboard("{Enter}");

    expect(screen.getByRole("main")).toHaveFocus();
  });

  test("says that there are no messages", async () => {
    openPage("#/conversations/1");

    expect(
      await theConversation().findByText("There are no messages yet."),
    ).toBeVisible();
  });

  test("by its address works for a conversation that is not in the list", async () => {
    server.conversations = newestFirst(25, aConversation);
    server.messages = [aMessage(1, { body: "Long ago." })];

    openPage("#/conversations/1");

    expect(
      await theConversation().findByRole("heading", { name: "Conversation 1" }),
    ).toBeVisible();
    expect(await theConversation().findByText("Long ago.")).toBeVisible();
    expect(theList().queryByText("Conversation 1")).not.toBeInTheDocument();
  });

  test("shows markup as the text that it is, and keeps long words whole", async () => {
    const word = "word".repeat(500);
    server.messages = [
      aMessage(2, { body: word }),
      aMessage(1, { body: "<b>bold</b>\n\nsecond paragraph" }),
    ];

    openPage("#/conversations/1");

    expect(await theConversation().findByText(word)).toBeVisible();
    expect(
      theConversation().getByText(/^<b>bold<\/b>\s+second paragraph$/),
    ).toBeVisible();
  });
});

describe("a long conversation", () => {
  test("shows its end first and goes back page by page", async () => {
    server.messages = newestFirst(50, aMessage);
    const { user } = openPage("#/conversations/1");
    expect(await theConversation().findByText("Message 50")).toBeVisible();
    expect(messages()).toHaveLength(30);

    await user.click(
      theConversation().getByRole("button", { name: "Load earlier messages" }),
    );

    expect(await theConversation().findByText("Message 1")).toBeVisible();
    expect(messages()).toHaveLength(50);
    expect(messages()[0]).toHaveTextContent("Message 1");
    expect(
      theConversation().getByText("The conversation starts here."),
    ).toHaveFocus();
  });
});

describe("a conversation that does not come", () => {
  test("is explained once, and tried again as a whole", async () => {
    server.conversations = [];
    const late = aConversation(9, { title: "Late" });
    const { user } = openPage("#/conversations/9");

    expect(await theConversation().findByRole("alert")).toHaveTextContent(
      "The conversation could not be opened. There is no conversation 9.",
    );
    server.conversations = [late];
    server.messages = [aMessage(1, { conversation_id: 9, body: "Here I am." })];
    await user.click(
      theConversation().getByRole("button", { name: "Try again" }),
    );

    expect(await theConversation().findByText("Here I am.")).toBeVisible();
    expect(screen.getByRole("heading", { name: "Late" })).toHaveFocus();
    expect(theConversation().queryByRole("alert")).not.toBeInTheDocument();
  });

  test("is tried again once, though one presses twice, and without the messages that came", async () => {
    server.messages = newestFirst(50, aMessage);
    server.next("GET", "/api/conversations", offline);
    server.next("GET", "/api/conversations/1", () => problem(503, "Busy"));
    const { user } = openPage("#/conversations/1");
    const again = await theConversation().findByRole("button", {
      name: "Try again",
    });
    const before = server.asked.length;

    await user.dblClick(again);

    expect(
      await theConversation().findByRole("heading", { name: "Lunch" }),
    ).toBeVisible();
    expect(server.asked.slice(before)).toEqual(["GET /api/conversations/1"]);
  });

  test("shows what the list knows, and says which part is missing", async () => {
    server.messages = [aMessage(1, { body: "At noon." })];
    server.next("GET", "/api/conversations/1/messages", offline);
    const { user } = openPage();

    await user.click(await theList().findByRole("link", { name: "Lunch" }));
    expect(await theConversation().findByRole("alert")).toHaveTextContent(
      "The messages could not be loaded. The server cannot be reached.",
    );
    await user.click(
      theConversation().getByRole("button", { name: "Try again" }),
    );

    expect(await theConversation().findByText("At noon.")).toBeVisible();
  });
});

describe("changing one's mind quickly", () => {
  beforeEach(() => {
    server.messages = [
      aMessage(2, { conversation_id: 2, body: "The numbers." }),
      aMessage(1, { conversation_id: 1, body: "The soup." }),
    ];
  });

  test("never shows the answer to an older choice", async () => {
    const { user } = openPage();
    const release = server.hold("GET", "/api/conversations/1/messages");

    await user.click(await theList().findByRole("link", { name: "Lunch" }));
    await user.click(theList().getByRole("link", { name: "Budget" }));
    expect(await theConversation().findByText("The numbers.")).toBeVisible();
    release();

    expect(await theConversation().findByText("The numbers.")).toBeVisible();
    expect(theConversation().queryByText("The soup.")).not.toBeInTheDocument();
    expect(server.aborted).toEqual([
      "GET /api/conversations/1/messages?limit=30",
    ]);
  });

  test("calls everything off when the page goes away", async () => {
    server.hold("GET", "/api/conversations/1");
    server.hold("GET", "/api/conversations/1/messages");
    const { unmount } = openPage("#/conversations/1");
    await theList().findByText("Lunch");

    unmount();

    expect(server.aborted).toEqual([
      "GET /api/conversations/1",
      "GET /api/conversations/1/messages?limit=30",
    ]);
  });
});
