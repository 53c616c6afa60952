import { useEffect, useId, useRef } from "react";

import type { Conversation } from "../api/maria";
import { conversationHref } from "../route";
import type { Pages } from "../state/usePages";
import { count, inWords, shortTime } from "../text";
import { Paging } from "./Paging";

interface Props {
  conversations: Pages<Conversation>;
  open: number | null;
}

const words = {
  loading: "Loading conversations…",
  failed: "The conversations could not be loaded.",
  empty: "There are no conversations yet.",
  more: "Load more",
  complete: "",
};

export function ConversationList({ conversations, open }: Props) {
  const heading = useId();
  const list = useRef<HTMLUListElement>(null);
  useFocusOnReturn(list, open);

  return (
    <nav className="conversations" aria-labelledby={heading}>
      <h2 id={heading}>Conversations</h2>
      <ul ref={list}>
        {conversations.items.map((conversation) => (
          <Entry
            key={conversation.id}
            conversation={conversation}
            isOpen={conversation.id === open}
          />
        ))}
      </ul>
      <Paging
        progress={conversations}
        empty={conversations.items.length === 0}
        words={words}
      />
    </nav>
  );
}

function Entry({
  conversation: { id, title, participants, ...conversation },
  isOpen,
}: {
  conversation: Conversation;
  isOpen: boolean;
}) {
  const latest = conversation.last_message_at ?? conversation.created_at;

  return (
    <li className="entry">
      <a href={conversationHref(id)} aria-current={isOpen ? "page" : undefined}>
        {title}
      </a>
      <time dateTime={latest}>{shortTime(latest)}</time>
      <p className="people">{inWords(participants.map(({ name }) => name))}</p>
      <p className="count">{count(conversation.message_count, "message")}</p>
    </li>
  );
}

/** Who comes back to the list is where they left it. */
function useFocusOnReturn(
  list: React.RefObject<HTMLElement | null>,
  open: number | null,
) {
  const left = useRef<number | null>(null);

  useEffect(() => {
    if (open === null && left.current !== null) {
      const href = conversationHref(left.current);
      list.current?.querySelector<HTMLElement>(`[href="${href}"]`)?.focus();
    }
    left.current = open;
  }, [list, open]);
}
