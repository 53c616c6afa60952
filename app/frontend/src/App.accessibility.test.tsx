import { beforeEach, describe, expect, test } from "@jest/globals";

import { barriers } from "./test/axe";
import { aConversation, aMessage } from "./test/data";
import { openPage, theConversation, theForm, theList } from "./test/page";
import { FakeServer, offline } from "./test/server";

let server: FakeServer;

beforeEach(() => {
  server = new FakeServer();
  server.conversations = [aConversation(1, { title: "Lunch" })];
  server.messages = [aMessage(1, { body: "When?" })];
  server.install();
});

describe("there is no barrier", () => {
  test("in the list", async () => {
    openPage();
    await theList().findByText("Lunch");

    expect(await barriers()).toEqual([]);
  });

  test("in a conversation", async () => {
    openPage("#/conversations/1");
    await theConversation().findByText("When?");

    expect(await barriers()).toEqual([]);
  });

  test("in a form with a mistake", async () => {
    const { user } = openPage("#/conversations/1");
    await theConversation().findByText("When?");
    await user.type(theForm().getByRole("textbox"), " ");
    await user.click(theForm().getByRole("button", { name: "Send" }));
    await theForm().findByRole("alert");

    expect(await barriers()).toEqual([]);
  });

  test("in a failure", async () => {
    server.next("GET", "/api/conversations", offline);
    server.next("GET", "/api/conversations/1", offline);
    server.next("GET", "/api/conversations/1/messages", offline);
    openPage("#/conversations/1");
    await theList().findByRole("alert");
    await theConversation().findByRole("alert");

    expect(await barriers()).toEqual([]);
  });
});
