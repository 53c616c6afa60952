import { useEffect, useRef } from "react";

import type { Message } from "../api/maria";
import type { Progress } from "../state/usePages";
import { clockTime, day } from "../text";
import { Avatar } from "./Avatar";
import { Paging } from "./Paging";

interface Props {
  progress: Progress;
  /** Oldest first. */
  messages: readonly Message[];
}

const words = {
  loading: "Loading messages…",
  failed: "The messages could not be loaded.",
  empty: "There are no messages yet.",
  more: "Load earlier messages",
  complete: "The conversation starts here.",
};

export function MessageHistory({ progress, messages }: Props) {
  const days = Map.groupBy(messages, ({ created_at }) => day(created_at));
  const scroller = useNewestInView(messages.at(-1)?.id);

  return (
    // It scrolls, so the keyboard must be able to reach it.
    <section
      className="history"
      aria-label="Messages"
      ref={scroller}
      tabIndex={0}
    >
      <div className="days">
        <Paging
          progress={progress}
          empty={messages.length === 0}
          words={words}
        />
        {[...days].map(([name, messages]) => (
          <section key={name}>
            <h3>{name}</h3>
            <ol>
              {messages.map((message) => (
                <Entry key={message.id} message={message} />
              ))}
            </ol>
          </section>
        ))}
      </div>
    </section>
  );
}

function Entry({
  message: { author, body, created_at },
}: {
  message: Message;
}) {
  return (
    <li className="message">
      <Avatar of={author} />
      <p className="byline">
        <strong>{author.name}</strong>{" "}
        <time dateTime={created_at}>{clockTime(created_at)}</time>
      </p>
      <p className="body">{body}</p>
    </li>
  );
}

/** The style sheet lets this element grow upwards from its end (`column-reverse`), so its end is at 0. */
function useNewestInView(newest: number | undefined) {
  const scroller = useRef<HTMLElement>(null);

  useEffect(() => {
    if (scroller.current) scroller.current.scrollTop = 0;
  }, [newest]);

  return scroller;
}
