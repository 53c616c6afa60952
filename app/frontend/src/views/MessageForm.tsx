import {
  type KeyboardEvent,
  type SyntheticEvent,
  useEffect,
  useRef,
} from "react";

import type { Participant } from "../api/maria";
import type { Draft, Edit } from "../state/useOutbox";
import { Field } from "./Field";

interface Props {
  participants: readonly Participant[];
  draft: Draft;
  onEdit: (change: Edit) => void;
  onSend: (author: number) => void;
}

/** The server alone judges a message; the form shows its verdict where it belongs. */
export function MessageForm({ participants, draft, onEdit, onSend }: Props) {
  const { body, sending, error, sent } = draft;
  const author = draft.author ?? participants[0]?.id;
  const authorError = error?.at("author");
  const bodyError = error?.at("body");
  const authorField = useRef<HTMLSelectElement>(null);
  const bodyField = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    if (authorError !== undefined) authorField.current?.focus();
    else if (bodyError !== undefined) bodyField.current?.focus();
  }, [authorError, bodyError]);

  if (author === undefined) {
    return <p className="nobody">Nobody takes part in this conversation.</p>;
  }

  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    onSend(author);
  };

  return (
    <form className="write" aria-label="New message" onSubmit={submit}>
      <Field label="Write as" error={authorError}>
        {(wiring) => (
          <select
            {...wiring}
            ref={authorField}
            value={author}
            disabled={sending}
            onChange={({ target }) => {
              onEdit({ author: Number(target.value) });
            }}
          >
            {participants.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Message" error={bodyError}>
        {(wiring) => (
          <textarea
            {...wiring}
            ref={bodyField}
            value={body}
            required
            readOnly={sending}
            rows={2}
            onChange={({ target }) => {
              onEdit({ body: target.value });
            }}
            onKeyDown={submitOnControlEnter}
          />
        )}
      </Field>
      {error !== null && !(authorError ?? bodyError) && (
        <p className="wrong" role="alert">
          <strong>The message was not sent.</strong> {error.message}
        </p>
      )}
      <div className="send">
        <p role="status">
          {sending && "Sending…"}
          {!sending && sent.length > 0 && body === "" && "Sent."}
        </p>
        <button type="submit" className="primary" aria-disabled={sending}>
          Send
        </button>
      </div>
    </form>
  );
}

function submitOnControlEnter(event: KeyboardEvent<HTMLTextAreaElement>) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.currentTarget.form?.requestSubmit();
  }
}
