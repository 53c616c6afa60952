import { beforeEach, describe, expect, test } from "@jest/globals";
import { waitFor } from "@testing-library/react";

import { aConversation, aMessage } from "./test/data";
import {
  openPage,
  textsOf,
  theConversation,
  theForm,
  theList,
} from "./test/page";
import { FakeServer, offline, problem } from "./test/server";

const path = "/api/conversations/1/messages";

let server: FakeServer;

beforeEach(() => {
  server = new FakeServer();
  server.conversations = [
    aConversation(2, { title: "Budget" }),
    aConversation(1, { title: "Lunch", message_count: 1 }),
  ];
  server.messages = [aMessage(1, { body: "When?" })];
  server.install();
});

/** Opens the page at the first conversation, ready to write. */
async function openToWrite() {
  const { user } = openPage("#/conversations/1");
  await theConversation().findByText("When?");
  return user;
}

function authorField() {
  return theForm().getByRole("combobox", { name: "Write as" });
}

function bodyField() {
  return theForm().getByRole("textbox", { name: "Message" });
}

function sendButton() {
  return theForm().getByRole("button", { name: "Send" });
}

describe("writing a message", () => {
  test("adds it to the conversation and clears the field", async () => {
    const user = await openToWrite();

    await user.selectOptions(authorField(), "Grace Hopper");
    await user.type(bodyField(), "At noon.");
    await user.click(sendButton());

    expect(await theForm().findByText("Sent.")).toBeVisible();
    expect(textsOf(theConversation().getAllByRole("listitem"))).toEqual([
      "ALAda Lovelace 14:01When?",
      "GHGrace Hopper 08:30At noon.",
    ]);
    expect(bodyField()).toHaveValue("");
    expect(authorField()).toHaveDisplayValue("Grace Hopper");
  });

  test("brings the newest message into view", async () => {
    const user = await openToWrite();
    const history = theConversation().getByRole("region", { name: "Messages" });
    history.scrollTop = -300;

    await user.type(bodyField(), "At noon.");
    await user.click(sendButton());

    await theForm().findByText("Sent.");
    expect(history.scrollTop).toBe(0);
  });

  test("brings the conversation to the top of the list", async () => {
    const user = await openToWrite();
    expect(textsOf(theList().getAllByRole("link"))).toEqual([
      "Budget",
      "Lunch",
    ]);

    await user.type(bodyField(), "At noon.");
    await user.click(sendButton());

    await theForm().findByText("Sent.");
    expect(textsOf(theList().getAllByRole("link"))).toEqual([
      "Lunch",
      "Budget",
    ]);
    expect(theList().getByText("2 messages")).toBeVisible();
  });

  test.each(["{Control>}{Enter}{/Control}", "{Meta>}{Enter}{/Meta}"])(
    "ends with %s, while Enter alone begins a line",
    async (keys) => {
      const user = await openToWrite();

      await user.type(bodyField(), `At noon.{Enter}Bring bread.${keys}`);

      expect(
        await theConversation().findByText(/^At noon\.\s+Bring bread\.$/),
      ).toBeVisible();
      expect(server.messages[0]).toHaveProperty(
        "body",
        "At noon.\nBring bread.",
      );
    },
  );

  test("is one message, however often one presses", async () => {
    const user = await openToWrite();
    const release = server.hold("POST", path);

    await user.type(bodyField(), "At noon.");
    await user.click(sendButton());
    await user.click(sendButton());
    expect(theForm().getByRole("status")).toHaveTextContent("Sending…");
    expect(bodyField()).toHaveAttribute("readonly");
    release();

    expect(await theForm().findByText("Sent.")).toBeVisible();
    expect(server.messages).toHaveLength(2);
  });

  test("needs something to say", async () => {
    const user = await openToWrite();

    await user.click(sendButton());

    expect(bodyField()).toBeInvalid();
    expect(server.asked).not.toContain(`POST ${path}`);
  });

  test("needs somebody who takes part", async () => {
    server.conversations = [aConversation(1, { participants: [] })];

    openPage("#/conversations/1");

    expect(
      await theConversation().findByText(
        "Nobody takes part in this conversation.",
      ),
    ).toBeVisible();
  });
});

describe("a message that the server does not accept", () => {
  const long = "long ".repeat(50);

  test("is explained at its field, which has the focus", async () => {
    const user = await openToWrite();

    await user.click(bodyField());
    await user.paste(long);
    await user.click(sendButton());

    expect(await theForm().findByRole("alert")).toBeVisible();
    expect(bodyField()).toHaveAccessibleDescription(
      "Must have 1 to 200 characters.",
    );
    expect(bodyField()).toBeInvalid();
    expect(bodyField()).toHaveFocus();
    expect(bodyField()).toHaveValue(long);
    expect(authorField()).toBeValid();
  });

  test("is explained at the author, when that is the trouble", async () => {
    const user = await openToWrite();
    server.conversations = [aConversation(1, { participants: [] })];

    await user.type(bodyField(), "At noon.");
    await user.click(sendButton());

    await waitFor(() => {
      expect(authorField()).toHaveAccessibleDescription(
        "Must be a participant.",
      );
    });
    expect(authorField()).toHaveFocus();
    expect(bodyField()).toHaveValue("At noon.");
  });

  test("can be mended", async () => {
    const user = await openToWrite();
    await user.click(bodyField());
    await user.paste(long);
    await user.click(sendButton());
    await theForm().findByRole("alert");

    await user.clear(bodyField());
    await user.type(bodyField(), "Short.");
    expect(theForm().queryByRole("alert")).not.toBeInTheDocument();
    await user.click(sendButton());

    expect(await theConversation().findByText("Short.")).toBeVisible();
  });
});

describe("a draft is never lost", () => {
  test.each([
    ["there is no network", offline, "The server cannot be reached."],
    [
      "the server has a problem",
      () => problem(503, "Service Unavailable"),
      "Service Unavailable",
    ],
    [
      "something is wrong that has no field here",
      () =>
        problem(422, "Unprocessable Content", "The conversation is closed.", [
          { pointer: "/state", detail: "Must be open." },
        ]),
      "The conversation is closed.",
    ],
  ])("when %s", async (_, answer, explanation) => {
    const user = await openToWrite();
    server.next("POST", path, answer);

    await user.type(bodyField(), "At noon.");
    await user.click(sendButton());
    expect(await theForm().findByRole("alert")).toHaveTextContent(
      `The message was not sent. ${explanation}`,
    );
    expect(bodyField()).toHaveValue("At noon.");

    await user.click(sendButton());
    expect(await theForm().findByText("Sent.")).toBeVisible();
    expect(theForm().queryByRole("alert")).not.toBeInTheDocument();
  });

  test("when one looks something up in another conversation", async () => {
    const user = await openToWrite();
    await user.type(bodyField(), "At n");

    await user.click(theList().getByRole("link", { name: "Budget" }));
    await theConversation().findByText("There are no messages yet.");
    expect(bodyField()).toHaveValue("");
    await user.click(theList().getByRole("link", { name: "Lunch" }));
    await theConversation().findByText("When?");

    expect(bodyField()).toHaveValue("At n");
  });

  test("when it fails while one is elsewhere", async () => {
    const user = await openToWrite();
    const release = server.hold("POST", path);
    await user.type(bodyField(), "x".repeat(201));
    await user.click(sendButton());

    await user.click(theList().getByRole("link", { name: "Budget" }));
    await theConversation().findByText("There are no messages yet.");
    release();
    await user.click(theList().getByRole("link", { name: "Lunch" }));

    expect(await theForm().findByRole("alert")).toBeVisible();
    expect(bodyField()).toHaveValue("x".repeat(201));
  });
});

test("a message that is sent while one is elsewhere is there on return, once", async () => {
  const user = await openToWrite();
  const release = server.hold("POST", path);
  await user.type(bodyField(), "At noon.");
  await user.click(sendButton());

  await user.click(theList().getByRole("link", { name: "Budget" }));
  await theConversation().findByText("There are no messages yet.");
  release();
  expect(await theList().findByText("2 messages")).toBeVisible();
  await user.click(theList().getByRole("link", { name: "Lunch" }));
  await theConversation().findByText("When?");

  expect(theConversation().getAllByText("At noon.")).toHaveLength(1);
});
