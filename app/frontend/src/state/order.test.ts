import { describe, expect, test } from "@jest/globals";

import { aConversation, aMessage } from "../test/data";
import { inReadingOrder, withMessage } from "./order";

describe("messages in reading order", () => {
  test("run from the oldest to the newest, whatever list they come from", () => {
    const newer = [aMessage(9), aMessage(7)];
    const older = [aMessage(5), aMessage(8)];

    const ids = inReadingOrder(newer, older).map(({ id }) => id);

    expect(ids).toEqual([5, 7, 8, 9]);
  });

  test("appear once", () => {
    expect(inReadingOrder([aMessage(1)], [aMessage(1)])).toEqual([aMessage(1)]);
  });

  test("of one moment keep the order in which they were written", () => {
    const created_at = "2026-03-12T14:05:00Z";
    const messages = [2, 1].map((id) => aMessage(id, { created_at }));

    const ids = inReadingOrder(messages).map(({ id }) => id);

    expect(ids).toEqual([1, 2]);
  });
});

describe("a new message", () => {
  const message = aMessage(1, { conversation_id: 2 });
  const renewed = { last_message_at: message.created_at, message_count: 4 };

  test("brings its conversation to the top", () => {
    const second = aConversation(2, { message_count: 3 });
    const list = [aConversation(1), second, aConversation(3)];

    expect(withMessage(list, second, message)).toEqual([
      { ...second, ...renewed },
      aConversation(1),
      aConversation(3),
    ]);
  });

  test("brings in a conversation that was too old for the list", () => {
    const second = aConversation(2, { message_count: 3 });

    expect(withMessage([aConversation(1)], second, message)).toEqual([
      { ...second, ...renewed },
      aConversation(1),
    ]);
  });
});
