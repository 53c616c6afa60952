import type { Participant } from "../api/maria";
import { initials } from "../text";

/** An ornament: the name stands beside it. */
export function Avatar({ of: { id, name } }: { of: Participant }) {
  return (
    <span className="avatar" data-tone={id % 6} aria-hidden="true">
      {initials(name)}
    </span>
  );
}
