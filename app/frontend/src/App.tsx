import { useRef } from "react";

import { listConversations } from "./api/maria";
import { listHref, useOpenConversation } from "./route";
import { withMessage } from "./state/order";
import { useOutbox } from "./state/useOutbox";
import { usePages } from "./state/usePages";
import { ConversationList } from "./views/ConversationList";
import { ConversationView } from "./views/ConversationView";

export function App() {
  const open = useOpenConversation();
  const conversations = usePages(listConversations);
  const outbox = useOutbox((conversation, message) => {
    conversations.change((items) => withMessage(items, conversation, message));
  });
  const main = useRef<HTMLElement>(null);

  return (
    <div className="app" data-showing={open === null ? "list" : "conversation"}>
      <header className="masthead">
        <h1>
          <a href={listHref}>maria</a>
        </h1>
        {/* A button, because the address after the # is the conversation. */}
        <button
          type="button"
          className="skip"
          onClick={() => main.current?.focus()}
        >
          Skip to the conversation
        </button>
      </header>

      <ConversationList conversations={conversations} open={open} />

      <main ref={main} tabIndex={-1}>
        {open === null ? (
          <p className="invitation">Choose a conversation to read it here.</p>
        ) : (
          <ConversationView
            key={open}
            id={open}
            known={conversations.items.find(({ id }) => id === open)}
            outbox={outbox}
          />
        )}
      </main>
    </div>
  );
}
