/** The whole page in front of a server, as a reader meets it. */

import { render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";

import { App } from "../App";

/** Opens the page at an address, such as `#/conversations/3`. */
export function openPage(address = "") {
  window.location.hash = address;
  return { user: userEvent.setup(), ...render(<App />) };
}

export function theList() {
  return within(screen.getByRole("navigation", { name: "Conversations" }));
}

export function theConversation() {
  return within(screen.getByRole("main"));
}

export function theForm() {
  return within(screen.getByRole("form", { name: "New message" }));
}

/** The items of a list or history, as they read from top to bottom. */
export function textsOf(elements: HTMLElement[]): string[] {
  return elements.map((element) => element.textContent);
}
