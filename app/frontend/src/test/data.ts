/** The people and conversations that the tests talk about. */

import type { Conversation, Message, Participant } from "../api/maria";

export const ada: Participant = {
  id: 1,
  name: "Ada Lovelace",
  email: "ada@example.org",
};

export const grace: Participant = {
  id: 2,
  name: "Grace Hopper",
  email: "grace@example.org",
};

export function aConversation(
  id: number,
  given: Partial<Conversation> = {},
): Conversation {
  return {
    id,
    title: `Conversation ${id}`,
    created_at: "2026-03-01T09:00:00Z",
    last_message_at: null,
    message_count: 0,
    participants: [ada, grace],
    ...given,
  };
}

export function aMessage(id: number, given: Partial<Message> = {}): Message {
  return {
    id,
    conversation_id: 1,
    author: ada,
    body: `Message ${id}`,
    created_at: new Date(Date.UTC(2026, 2, 12, 14, id)).toISOString(),
    ...given,
  };
}

/** `amount` things, the newest first. */
export function newestFirst<T>(amount: number, make: (id: number) => T): T[] {
  return Array.from({ length: amount }, (_, index) => make(amount - index));
}
