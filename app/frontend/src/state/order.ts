/** Which order do things have on the page? */

import type { Conversation, Message } from "../api/maria";

/** The messages as one reads them: oldest first, each of them once. */
export function inReadingOrder(
  ...lists: readonly (readonly Message[])[]
): Message[] {
  const each = new Map(lists.flat().map((message) => [message.id, message]));
  return [...each.values()].sort(
    (a, b) =>
      Date.parse(a.created_at) - Date.parse(b.created_at) || a.id - b.id,
  );
}

/** The conversations after a new message: the one it belongs to comes first. */
export function withMessage(
  conversations: readonly Conversation[],
  conversation: Conversation,
  message: Message,
): Conversation[] {
  const { id } = conversation;
  const listed = conversations.find((other) => other.id === id) ?? conversation;
  const renewed = {
    ...listed,
    last_message_at: message.created_at,
    message_count: listed.message_count + 1,
  };
  return [renewed, ...conversations.filter((other) => other.id !== id)];
}
