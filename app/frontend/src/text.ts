/** How times, names and numbers read on the page. */

const language = "en-GB";

const clock = new Intl.DateTimeFormat(language, { timeStyle: "short" });
const fullDay = new Intl.DateTimeFormat(language, { dateStyle: "full" });
const dayAndMonth = new Intl.DateTimeFormat(language, {
  day: "numeric",
  month: "short",
});
const shortDate = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
const names = new Intl.ListFormat(language);
const numbers = new Intl.NumberFormat(language);

/** `14:05` */
export function clockTime(timestamp: string): string {
  return clock.format(new Date(timestamp));
}

/** `Thursday 12 March 2026` */
export function day(timestamp: string): string {
  return fullDay.format(new Date(timestamp));
}

/** As short as can be: `14:05` today, `12 Mar` this year, else `12 Mar 2024`. */
export function shortTime(timestamp: string, now = new Date()): string {
  const then = new Date(timestamp);
  if (then.toDateString() === now.toDateString()) return clock.format(then);
  if (then.getFullYear() === now.getFullYear()) return dayAndMonth.format(then);
  return shortDate.format(then);
}

/** `Ada, Grace and Linus` */
export function inWords(items: readonly string[]): string {
  return names.format(items);
}

/** `1 message`, `1,200 messages` */
export function count(amount: number, thing: string): string {
  return `${numbers.format(amount)} ${thing}${amount === 1 ? "" : "s"}`;
}

/** `AL` for Ada Lovelace, `A` for Ada. */
export function initials(name: string): string {
  const letters = name.match(/(?<!\S)\S/gu) ?? [];
  return [letters.at(0), letters.slice(1).at(-1)].join("").toUpperCase();
}
