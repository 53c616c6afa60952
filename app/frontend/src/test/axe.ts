import axe from "axe-core";

/** What a checker of accessibility finds wrong with the page, as sentences. */
export async function barriers(): Promise<string[]> {
  const { violations } = await axe.run(document.body, {
    // Without a layout there are no colours to compare.
    rules: { "color-contrast": { enabled: false } },
  });
  return violations.map(
    ({ help, nodes }) => `${help}: ${nodes.map((node) => node.html).join()}`,
  );
}
