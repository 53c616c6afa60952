import { type ReactNode, useId } from "react";

interface Wiring {
  id: string;
  "aria-invalid": boolean;
  "aria-describedby": string | undefined;
}

interface Props {
  label: string;
  error: string | undefined;
  /** Gives the control, which spreads the wiring it gets. */
  children: (wiring: Wiring) => ReactNode;
}

/** A control with its label, and with what is wrong with it. */
export function Field({ label, error, children }: Props) {
  const id = useId();
  const errorId = useId();
  const wrong = error !== undefined;

  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        "aria-invalid": wrong,
        "aria-describedby": wrong ? errorId : undefined,
      })}
      {wrong && (
        <p className="wrong" id={errorId} role="alert">
          {error}
        </p>
      )}
    </div>
  );
}
