/** The things that maria's server knows, and the four questions that this page asks. */

import { request } from "./client";
import {
  type Guard,
  isNumber,
  isString,
  isTimestamp,
  listOf,
  nullable,
  shape,
} from "./guards";

export interface Participant {
  id: number;
  name: string;
  email: string;
}

export interface Conversation {
  id: number;
  title: string;
  created_at: string;
  last_message_at: string | null;
  message_count: number;
  participants: Participant[];
}

export interface Message {
  id: number;
  conversation_id: number;
  author: Participant;
  body: string;
  created_at: string;
}

/** A part of a long list. `next` is the cursor of the following part, null at the end. */
export interface Page<T> {
  items: T[];
  next: string | null;
}

const isParticipant = shape<Participant>({
  id: isNumber,
  name: isString,
  email: isString,
});

const isConversation = shape<Conversation>({
  id: isNumber,
  title: isString,
  created_at: isTimestamp,
  last_message_at: nullable(isTimestamp),
  message_count: isNumber,
  participants: listOf(isParticipant),
});

const isMessage = shape<Message>({
  id: isNumber,
  conversation_id: isNumber,
  author: isParticipant,
  body: isString,
  created_at: isTimestamp,
});

const isConversationPage = pageOf(isConversation);
const isMessagePage = pageOf(isMessage);

function pageOf<T>(guard: Guard<T>): Guard<Page<T>> {
  return shape<Page<T>>({ items: listOf(guard), next: nullable(isString) });
}

/** Latest activity first. */
export function listConversations(
  cursor: string | null,
  signal: AbortSignal,
): Promise<Page<Conversation>> {
  return request(
    `/api/conversations?${pageQuery(20, cursor)}`,
    isConversationPage,
    { signal },
  );
}

export function getConversation(
  id: number,
  signal: AbortSignal,
): Promise<Conversation> {
  return request(`/api/conversations/${id}`, isConversation, { signal });
}

/** Newest first. */
export function listMessages(
  id: number,
  cursor: string | null,
  signal: AbortSignal,
): Promise<Page<Message>> {
  return request(
    `/api/conversations/${id}/messages?${pageQuery(30, cursor)}`,
    isMessagePage,
    { signal },
  );
}

/** Cannot be aborted: a message that left may have arrived. */
export function postMessage(
  id: number,
  message: { author: number; body: string },
): Promise<Message> {
  return request(`/api/conversations/${id}/messages`, isMessage, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(message),
  });
}

function pageQuery(limit: number, cursor: string | null): string {
  const query = new URLSearchParams({ limit: String(limit) });
  if (cursor !== null) query.set("cursor", cursor);
  return query.toString();
}
