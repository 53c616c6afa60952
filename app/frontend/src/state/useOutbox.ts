/** What the reader is writing, and what becomes of it. */

import { useCallback, useState } from "react";

import { type ApiError, asApiError } from "../api/error";
import { type Conversation, type Message, postMessage } from "../api/maria";

export interface Draft {
  /** Who writes; null until somebody is chosen. */
  readonly author: number | null;
  readonly body: string;
  readonly sending: boolean;
  /** Why it was not sent the last time. */
  readonly error: ApiError | null;
  /** What was sent since the page was opened. */
  readonly sent: readonly Message[];
}

/** The part of a draft that the reader changes. */
export type Edit = Partial<Pick<Draft, "author" | "body">>;

const blank: Draft = {
  author: null,
  body: "",
  sending: false,
  error: null,
  sent: [],
};

export interface Outbox {
  draftFor: (conversation: number) => Draft;
  edit: (conversation: number, change: Edit) => void;
  send: (conversation: Conversation, author: number) => Promise<void>;
}

/**
 * One draft a conversation.
 *
 * Drafts live above the conversation that is shown: who leaves while a message
 * is on its way finds it sent on return, or finds the draft with the reason.
 */
export function useOutbox(
  onSent: (conversation: Conversation, message: Message) => void,
): Outbox {
  const [drafts, setDrafts] = useState<ReadonlyMap<number, Draft>>(new Map());

  const update = useCallback((id: number, how: (draft: Draft) => Draft) => {
    setDrafts((old) => new Map(old).set(id, how(old.get(id) ?? blank)));
  }, []);

  function draftFor(id: number): Draft {
    return drafts.get(id) ?? blank;
  }

  return {
    draftFor,

    edit(id, change) {
      update(id, (draft) => ({ ...draft, ...change, error: null }));
    },

    async send(conversation, author) {
      const { id } = conversation;
      const { body, sending } = draftFor(id);
      if (sending) return;
      update(id, (draft) => ({ ...draft, sending: true, error: null }));
      try {
        const message = await postMessage(id, { author, body });
        update(id, ({ sent }) => ({
          ...blank,
          author,
          sent: [...sent, message],
        }));
        onSent(conversation, message);
      } catch (cause) {
        const error = asApiError(cause);
        update(id, (draft) => ({ ...draft, sending: false, error }));
      }
    },
  };
}
