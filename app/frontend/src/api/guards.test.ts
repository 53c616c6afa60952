import { describe, expect, test } from "@jest/globals";

import {
  isNumber,
  isString,
  isTimestamp,
  listOf,
  nullable,
  optional,
  shape,
} from "./guards";

describe("a guard accepts what it is for, and nothing else", () => {
  test.each([
    { name: "a number", guard: isNumber, good: 3, bad: "3" },
    { name: "a string", guard: isString, good: "three", bad: 3 },
    {
      name: "a timestamp",
      guard: isTimestamp,
      good: "2026-03-12T14:05:00Z",
      bad: "yesterday",
    },
    { name: "null", guard: nullable(isNumber), good: null, bad: undefined },
    { name: "nothing", guard: optional(isNumber), good: undefined, bad: null },
    { name: "a list", guard: listOf(isNumber), good: [1, 2], bad: [1, "2"] },
    { name: "no list", guard: listOf(isNumber), good: [], bad: { length: 0 } },
  ])("$name", ({ guard, good, bad }) => {
    expect(guard(good)).toBe(true);
    expect(guard(bad)).toBe(false);
  });
});

describe("a shape", () => {
  const isPoint = shape<{ x: number; y: number | null }>({
    x: isNumber,
    y: nullable(isNumber),
  });

  test.each([
    ["has every field", { x: 1, y: null }, true],
    ["may have more", { x: 1, y: 2, z: 3 }, true],
    ["must not lack one", { x: 1 }, false],
    ["must not have one of another type", { x: 1, y: "2" }, false],
    ["is no null", null, false],
    ["is no text", "x", false],
  ])("%s", (_, value, expected) => {
    expect(isPoint(value)).toBe(expected);
  });
});
