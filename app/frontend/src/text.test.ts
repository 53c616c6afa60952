import { describe, expect, test } from "@jest/globals";

import { clockTime, count, day, initials, inWords, shortTime } from "./text";

const now = new Date("2026-03-12T16:00:00Z");

describe("times", () => {
  test.each([
    ["today, by the clock", "2026-03-12T14:05:00Z", "14:05"],
    ["this year, by the day", "2026-02-03T14:05:00Z", "3 Feb"],
    ["long ago, with the year", "2024-02-03T14:05:00Z", "3 Feb 2024"],
  ])("%s", (_, timestamp, expected) => {
    expect(shortTime(timestamp, now)).toBe(expected);
  });

  test("of a message", () => {
    expect(clockTime("2026-03-12T09:05:00.123456+00:00")).toBe("09:05");
    expect(day("2026-03-12T14:05:00Z")).toMatch(/^Thursday,? 12 March 2026$/);
  });
});

test.each([
  [[], ""],
  [["Ada"], "Ada"],
  [["Ada", "Grace", "Linus"], "Ada, Grace and Linus"],
])("the names %j read %j", (names, expected) => {
  expect(inWords(names)).toBe(expected);
});

test.each([
  [0, "0 messages"],
  [1, "1 message"],
  [1200, "1,200 messages"],
])("%d is counted as %j", (amount, expected) => {
  expect(count(amount, "message")).toBe(expected);
});

test.each([
  ["Ada Lovelace", "AL"],
  ["Ada King, Countess of Lovelace", "AL"],
  ["grace", "G"],
  ["Ærø Østergård", "ÆØ"],
  ["", ""],
])("the initials of %j are %j", (name, expected) => {
  expect(initials(name)).toBe(expected);
});
