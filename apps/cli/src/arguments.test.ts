import { describe, expect, test } from "vitest";
import { parseArguments } from "./arguments.ts";
import { CliError } from "./errors.ts";

const VERB = {
  positionals: { file: { description: "the file" }, other: { description: "another", optional: true } },
  flags: {
    out: { type: "text", short: "o", description: "where" },
    engine: { type: "text", options: ["interpreter", "simd"], description: "which" },
    tokens: { type: "integer", min: 1, max: 9, description: "how many" },
    heat: { type: "decimal", min: 0, max: 2, description: "how hot" },
    cold: { type: "decimal", min: 0.01, max: 2, also: 0, description: "how cold" },
    stop: { type: "texts", description: "where to stop" },
    fast: { type: "boolean", description: "whether" },
  },
} as const;

const LISTS = {
  positionals: {},
  flags: {
    trunk: { type: "text", required: true, description: "the trunk" },
    experts: { type: "list", description: "the experts" },
    fast: { type: "boolean", description: "whether" },
  },
} as const;

describe("parseArguments", () => {
  test("gives every argument its type, and what is absent its absence", () => {
    const { help, values } = parseArguments(["a.s7l", "--tokens", "3", "--heat=0.5", "-o", "x"], VERB);
    expect(help).toBe(false);
    expect(values).toEqual({
      file: "a.s7l",
      other: undefined,
      out: "x",
      engine: undefined,
      tokens: 3,
      heat: 0.5,
      cold: undefined,
      stop: [],
      fast: false,
      json: false,
      quiet: false,
      help: false,
    });
  });

  test("takes values that look like flags, after = or where no flag has that name", () => {
    expect(parseArguments(["f", "--out=--fast"], VERB).values.out).toBe("--fast");
    expect(parseArguments(["f", "--out", "-5"], VERB).values.out).toBe("-5");
  });

  test("takes the largest whole number that it says it takes, and none beyond", () => {
    const verb = { positionals: {}, flags: { n: { type: "integer", description: "how many" } } } as const;
    expect(parseArguments(["--n", "9007199254740991"], verb).values.n).toBe(Number.MAX_SAFE_INTEGER);
    for (const word of ["9007199254740992", "9007199254740993", "90071992547409910"])
      expect(() => parseArguments(["--n", word], verb)).toThrow("to 9007199254740991");
  });

  test("takes the one number that is allowed beside a range", () => {
    expect(parseArguments(["f", "--cold", "0"], VERB).values.cold).toBe(0);
  });

  test("takes -undefined for a value, as no flag is called so", () => {
    expect(parseArguments(["f", "--out", "-undefined"], VERB).values.out).toBe("-undefined");
  });

  test("takes everything after -- by its place", () => {
    const { values } = parseArguments(["--fast", "--", "--out"], VERB);
    expect([values.file, values.fast, values.out]).toEqual(["--out", true, undefined]);
  });

  test("gathers a repeated flag without swallowing what follows it", () => {
    const { values } = parseArguments(["--stop", "a", "f", "--stop=b"], VERB);
    expect([values.stop, values.file]).toEqual([["a", "b"], "f"]);
  });

  test("gathers the words after a list flag, as a shell expands braces to", () => {
    const words = ["--experts", "e0", "e1", "--trunk", "t", "--experts", "e2", "e3", "--fast"];
    expect(parseArguments(words, LISTS).values).toMatchObject({
      trunk: "t",
      experts: ["e0", "e1", "e2", "e3"],
      fast: true,
    });
  });

  test("asks for nothing beside --help", () => {
    expect(parseArguments(["--help"], VERB).help).toBe(true);
    expect(parseArguments(["-h"], LISTS).help).toBe(true);
  });

  test.each<[string, readonly string[], RegExp]>([
    ["an unknown flag", ["f", "--otu", "x"], /no flag --otu; did you mean --out\?/],
    ["an unknown flag like no other", ["f", "--zzzzzz"], /--zzzzzz; --help lists/],
    ["an unknown short flag", ["f", "-x"], /no flag -x/],
    ["a flag named like a property of every object", ["f", "--constructor"], /no flag --constructor/],
    ["a missing value at the end", ["f", "--out"], /--out needs a value/],
    ["a flag where a value should be", ["f", "--out", "--fast"], /--out needs a value/],
    ["a short flag where a value should be", ["f", "--out", "-q"], /--out needs a value/],
    ["the end of flags where a value should be", ["f", "--out", "--"], /--out needs a value/],
    ["flags in one word", ["f", "-qo", "x"], /-qo is more than one flag: write -q and the rest apart/],
    ["a value of a boolean", ["f", "--fast=no"], /--fast takes no value/],
    ["a flag given twice", ["f", "--out", "a", "--out", "b"], /--out is given twice/],
    ["an argument too many", ["a", "b", "c"], /"c" is one argument too many; this takes .* and flags, which --help/],
    ["a letter, which many flags begin with", ["a", "-n", "3"], /there is no flag -n; --help lists the flags/],
    ["a missing argument", ["--fast"], /FILE is missing: the file/],
    ["an unknown word", ["f", "--engine", "smid"], /smid is unknown; did you mean simd\?/],
    ["a number that is none", ["f", "--tokens", "3x"], /--tokens 3x is not a whole number from 1 to 9/],
    ["a fraction for a count", ["f", "--tokens", "1.5"], /not a whole number/],
    ["a number out of bounds", ["f", "--tokens", "10"], /not a whole number from 1 to 9/],
    ["a number between two that are allowed", ["f", "--cold", "0.001"], /--cold 0.001 is not .* from 0.01 to 2, nor 0/],
    ["a number in another notation", ["f", "--heat", "1e0"], /--heat 1e0 is not a number from 0 to 2/],
  ])("refuses %s", (_, words, message) => {
    expect(() => parseArguments(words, VERB)).toThrow(CliError);
    expect(() => parseArguments(words, VERB)).toThrow(message);
  });

  test("refuses a command without its required flag", () => {
    expect(() => parseArguments(["--experts", "a"], LISTS)).toThrow(/--trunk VALUE is missing: the trunk/);
  });
});
