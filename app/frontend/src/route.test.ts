import { expect, test } from "@jest/globals";
import { act, renderHook } from "@testing-library/react";

import {
  conversationHref,
  conversationIn,
  listHref,
  useOpenConversation,
} from "./route";

test.each([
  ["#/conversations/3", 3],
  ["#/conversations/", null],
  ["#/conversations/three", null],
  ["#/conversations/3/edit", null],
  ["#/", null],
  ["", null],
])("the address %j names the conversation %j", (hash, expected) => {
  expect(conversationIn(hash)).toBe(expected);
});

test("an address that the page writes is one that it can read", () => {
  expect(conversationIn(conversationHref(12))).toBe(12);
  expect(conversationIn(listHref)).toBeNull();
});

test("the open conversation follows the address", () => {
  const { result } = renderHook(useOpenConversation);
  expect(result.current).toBeNull();

  act(() => {
    window.location.hash = conversationHref(3);
    window.dispatchEvent(new Event("hashchange"));
  });

  expect(result.current).toBe(3);
});
