// Tells Stryker to leave sentences alone: a literal with a space in it is a message for people, and no test should pin its words.
// Codes, keys and places have no space, so they are mutated.

const sentence = (path) =>
  path.isStringLiteral()
    ? path.node.value.includes(" ")
    : path.isTemplateLiteral() && path.node.quasis.some(({ value }) => value.raw.includes(" "));

export const strykerPlugins = [
  {
    kind: "Ignore",
    name: "messages",
    value: {
      shouldIgnore: (path) => (sentence(path) ? "a message for people" : undefined),
    },
  },
];
