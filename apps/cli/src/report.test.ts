import { describe, expect, test } from "vitest";
import { createReport, ReaderGone } from "./report.ts";

/** What a report writes when it is used as a command does. */
function writtenBy(mode: { readonly json: boolean; readonly quiet: boolean }, coloured = false) {
  const out: string[] = [];
  const err: string[] = [];
  const stream = (to: string[]) => ({
    isTTY: coloured,
    hasColors: () => coloured,
    write: (text: string) => to.push(text),
  });
  const report = createReport(
    { stdout: stream(out), stderr: stream(err) },
    { ...mode, reader: { gone: false } },
    () => {},
  );
  report.say("commentary");
  report.put("text");
  report.note("aside");
  report.finish({ json: { root: "ab" }, brief: "ab", lines: [`root ${report.ink.bold("ab")}`] });
  return { out: out.join(""), err: err.join("") };
}

test.each([
  ["for people", { json: false, quiet: false }, "commentary\ntextroot ab\n", "aside\n"],
  ["with --quiet", { json: false, quiet: true }, "textab\n", ""],
  ["with --json", { json: true, quiet: false }, '{"root":"ab"}\n', ""],
  ["with --json --quiet", { json: true, quiet: true }, '{"root":"ab"}\n', ""],
])("writes %s exactly what belongs there", (_, mode, out, err) => {
  expect(writtenBy(mode)).toEqual({ out, err });
});

test("colours what a terminal shows, and nothing else", () => {
  expect(writtenBy({ json: false, quiet: false }, true).out).toContain("\u001b[1mab\u001b[22m");
  expect(writtenBy({ json: false, quiet: false }, false).out).not.toContain("\u001b");
});

test("shows a terminal no escape sequence but its own, and gives a pipe every byte", () => {
  const write = (isTTY: boolean): string => {
    const out: string[] = [];
    const stdout = { isTTY, write: (text: string) => out.push(text) };
    createReport({ stdout, stderr: stdout }, { json: false, quiet: false, reader: { gone: false } }, () => {}).put(
      "a\u001b[2Jb",
    );
    return out.join("");
  };
  expect(write(true)).toBe("a\ufffd[2Jb");
  expect(write(false)).toBe("a\u001b[2Jb");
});

test("writes nothing more once its reader is gone, and ends what is written for nobody", () => {
  const out: string[] = [];
  const err: string[] = [];
  const streams = {
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => err.push(text) },
  };
  const reader = { gone: false };
  const report = createReport(streams, { json: false, quiet: false, reader }, () => {});
  report.put("a");
  reader.gone = true;
  report.say("commentary");
  report.finish({ json: {}, lines: ["the end"] });
  report.complain("verify: refused");
  expect(() => report.put("b")).toThrow(ReaderGone);
  expect([out, err]).toEqual([["a"], ["s7l verify: refused\n"]]);
});

describe("a failure", () => {
  const failed = (json: boolean) => {
    const out: string[] = [];
    const err: string[] = [];
    const streams = {
      stdout: { write: (text: string) => out.push(text) },
      stderr: { write: (text: string) => err.push(text) },
    };
    const report = createReport(streams, { json, quiet: true, reader: { gone: false } }, () => {});
    report.fail({ exit: 1, rule: "V3", code: "chunk", message: "a chunk is wrong", at: "DATA" });
    report.complain("verify: V3, a chunk is wrong");
    return { out: out.join(""), err: err.join("") };
  };

  test("is one object with --json, and a sentence on stderr in every mode", () => {
    const sentence = "s7l verify: V3, a chunk is wrong\n";
    expect(failed(false)).toEqual({ out: "", err: sentence });
    expect(failed(true)).toEqual({
      out: '{"error":{"rule":"V3","code":"chunk","message":"a chunk is wrong","at":"DATA"}}\n',
      err: sentence,
    });
  });
});
