import { useCallback, useEffect, useRef } from "react";

import { type Conversation, getConversation, listMessages } from "../api/maria";
import { listHref } from "../route";
import { inReadingOrder } from "../state/order";
import type { Outbox } from "../state/useOutbox";
import { usePages } from "../state/usePages";
import { useResource } from "../state/useResource";
import { inWords } from "../text";
import { Failure } from "./Failure";
import { MessageForm } from "./MessageForm";
import { MessageHistory } from "./MessageHistory";

interface Props {
  id: number;
  /** What the list knows of it, to be shown until the server has said more. */
  known: Conversation | undefined;
  outbox: Outbox;
}

/** One conversation. Another one is another view: give it a `key`. */
export function ConversationView({ id, known, outbox }: Props) {
  const loaded = useResource(
    useCallback((signal: AbortSignal) => getConversation(id, signal), [id]),
  );
  const messages = usePages(
    useCallback(
      (cursor: string | null, signal: AbortSignal) =>
        listMessages(id, cursor, signal),
      [id],
    ),
  );
  const conversation = loaded.value ?? known;
  const draft = outbox.draftFor(id);
  const heading = useRef<HTMLHeadingElement>(null);
  useDocumentTitle(conversation?.title);

  // Whoever opens a conversation arrives in it.
  useEffect(() => heading.current?.focus(), []);

  return (
    <article className="conversation">
      <header>
        <a className="back" href={listHref}>
          All conversations
        </a>
        <h2 ref={heading} tabIndex={-1}>
          {conversation?.title ?? "Conversation"}
        </h2>
        {conversation && (
          <p className="people">
            {inWords(conversation.participants.map(({ name }) => name))}
          </p>
        )}
      </header>

      {loaded.error && !conversation ? (
        <Failure
          what="The conversation could not be opened."
          error={loaded.error}
          onRetry={() => {
            heading.current?.focus();
            loaded.retry();
            if (messages.error) messages.next();
          }}
        />
      ) : (
        <MessageHistory
          progress={messages}
          messages={inReadingOrder(messages.items, draft.sent)}
        />
      )}

      {conversation && (
        <MessageForm
          participants={conversation.participants}
          draft={draft}
          onEdit={(change) => {
            outbox.edit(id, change);
          }}
          onSend={(author) => outbox.send(conversation, author)}
        />
      )}
    </article>
  );
}

function useDocumentTitle(title: string | undefined) {
  useEffect(() => {
    if (title === undefined) return;
    document.title = `${title} – maria`;
    return () => {
      document.title = "maria";
    };
  }, [title]);
}
