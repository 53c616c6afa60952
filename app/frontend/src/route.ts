/** Which conversation does the address name? `#/conversations/3` names the third; everything else names none. */

import { useSyncExternalStore } from "react";

export const listHref = "#/";

export function conversationHref(id: number): string {
  return `#/conversations/${id}`;
}

export function conversationIn(hash: string): number | null {
  const id = /^#\/conversations\/(\d+)$/.exec(hash)?.[1];
  return id === undefined ? null : Number(id);
}

export function useOpenConversation(): number | null {
  return conversationIn(useSyncExternalStore(subscribe, readHash));
}

function subscribe(onChange: () => void): () => void {
  window.addEventListener("hashchange", onChange);
  return () => {
    window.removeEventListener("hashchange", onChange);
  };
}

function readHash(): string {
  return window.location.hash;
}
