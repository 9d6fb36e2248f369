/**
 * What a regular expression of a stranger can cost. JavaScript's engine backtracks: where a match fails it tries every other way
 * to have come so far, and `(a+)+b` has 2^n of them. Whether that can happen stands in the pattern: only what is followed by
 * something that can fail is tried again. A pattern passes when at most one unbounded repetition is, so that a text of n
 * characters takes n² steps at worst, and linear time where the repetition ends the match, as in every tokenizer we know.
 *
 * Star height and ambiguity: Weideman et al., "Analyzing Matching Time Behavior of Backtracking Regular Expression Matchers"
 * (2016). Judged more coarsely here: two repetitions in a row count as ambiguous even where their characters differ.
 */

/** Ways to try again: `ways` times n to the power of `loops`. */
interface Cost {
  readonly loops: number;
  readonly ways: number;
}

type Node =
  | { readonly kind: "character" }
  | { readonly kind: "place" }
  | { readonly kind: "look"; readonly body: Node }
  | { readonly kind: "sequence"; readonly items: readonly Node[] }
  | { readonly kind: "choice"; readonly options: readonly Node[] }
  | { readonly kind: "repeat"; readonly body: Node; readonly least: number; readonly most: number };

/** A longer pattern is none for splitting text. */
const LONGEST = 1 << 14;
const DEEPEST = 32;
/** A repetition of at most this many counts as so many ways; a longer one counts as unbounded. */
const FEW = 8;
/** The pattern of GPT-4o has 23. */
const MOST_WAYS = 32;
/** What is counted out in more characters than this, counts in counts multiplied, is beyond what a splitter is worth. */
const MOST_COUNT = 1000;
/** Characters of a pattern with its counts written out: each can be tried at every place of a text. */
const LARGEST = 4096;
/** The same where it repeats without bound: each can be tried at every place for every round that is taken back. */
const LARGEST_REPEATED = 256;

/** Why a pattern is not run, or undefined where its time is bounded. `source` is JavaScript's, flag `u`. */
export function patternFault(source: string): string | undefined {
  if (source.length > LONGEST) return `it has ${source.length} characters, more than ${LONGEST}`;
  try {
    const whole = new PatternParser(source).whole();
    const { loops, ways } = costOf(whole, false);
    if (loops > 1) return "it repeats without bound what it may have to take back, in more than one place";
    if (ways > MOST_WAYS) return `it has more than ${MOST_WAYS} ways to match the same text`;
    const size = sizeOf(whole);
    const largest = loops > 0 ? LARGEST_REPEATED : LARGEST;
    return size > largest ? `its counts written out, it has ${size} characters; ${largest} are allowed` : undefined;
  } catch (fault) {
    if (fault instanceof PatternFault) return fault.message;
    throw fault;
  }
}

/** Whether a pattern also matches no text at all. Throws an Error for one whose shape cannot be read. */
export function canMatchNothing(source: string): boolean {
  return isNothing(new PatternParser(source).whole());
}

function isNothing(node: Node): boolean {
  switch (node.kind) {
    case "character":
      return false;
    case "place":
    case "look":
      return true;
    case "sequence":
      return node.items.every(isNothing);
    case "choice":
      return node.options.some(isNothing);
    case "repeat":
      return node.least === 0 || isNothing(node.body);
  }
}

class PatternFault extends Error {}

const ONE: Cost = { loops: 0, ways: 1 };

/** `followed`: something comes after it that can fail, and then it is tried in every other way. */
function costOf(node: Node, followed: boolean): Cost {
  switch (node.kind) {
    case "character":
    case "place":
      return ONE;
    case "look":
      return costOf(node.body, true);
    case "sequence": {
      let again = ONE;
      let once: Cost = { loops: 0, ways: 0 };
      let fails = followed;
      for (const item of node.items.toReversed()) {
        const own = costOf(item, fails);
        fails ||= canFail(item);
        // Behind the last item that can fail, each is tried once.
        if (fails) again = product(again, own);
        else once = sum(once, own);
      }
      return sum(again, once);
    }
    case "choice":
      return node.options.map((option) => costOf(option, followed)).reduce(sum);
    case "repeat":
      return costOfRepeat(node, followed);
  }
}

function costOfRepeat({ body, least, most }: Extract<Node, { kind: "repeat" }>, followed: boolean): Cost {
  // JavaScript takes a round of no text for a failure, unless it must be: then the body is tried in every other way.
  const failsEmpty = least < most && isNothing(body);
  if (most <= 1) {
    const cost = costOf(body, followed || failsEmpty);
    return followed && least === 0 ? { ...cost, ways: cost.ways + 1 } : cost;
  }
  if (!isFixed(body)) {
    // Rounds that are done are never taken back where nothing after them can fail.
    if (!followed && least <= 1 && !failsEmpty) return costOf(body, false);
    throw new PatternFault("it repeats a group that can match one text in several ways");
  }
  if (!followed || most === least) return ONE;
  return most - least > FEW ? { loops: 1, ways: 1 } : { loops: 0, ways: most - least + 1 };
}

const sum = (a: Cost, b: Cost): Cost => ({ loops: Math.max(a.loops, b.loops), ways: a.ways + b.ways });
const product = (a: Cost, b: Cost): Cost => ({ loops: a.loops + b.loops, ways: a.ways * b.ways });

/** Whether a text it stands before can make it fail. */
function canFail(node: Node): boolean {
  switch (node.kind) {
    case "sequence":
      return node.items.some(canFail);
    case "choice":
      return node.options.every(canFail);
    case "repeat":
      return node.least > 0 && canFail(node.body);
    default:
      return true;
  }
}

/** Characters and places, counts written out; of a repetition without bound, or priced as one, those that it must have. */
function sizeOf(node: Node): number {
  switch (node.kind) {
    case "character":
    case "place":
      return 1;
    case "look":
      return sizeOf(node.body);
    case "sequence":
      return node.items.map(sizeOf).reduce(plus, 0);
    case "choice":
      return node.options.map(sizeOf).reduce(plus, 0);
    case "repeat": {
      const { body, least, most } = node;
      const times = most - least > FEW ? Math.max(1, least) : most;
      const size = times * sizeOf(body);
      if (times > 1 && size > MOST_COUNT)
        throw new PatternFault(`it counts out ${size} characters; ${MOST_COUNT} are allowed`);
      return size;
    }
  }
}

const plus = (a: number, b: number): number => a + b;

/** Whether it matches in one way, with one length. */
function isFixed(node: Node): boolean {
  switch (node.kind) {
    case "character":
    case "place":
      return true;
    case "look":
      return isFixed(node.body);
    case "sequence":
      return node.items.every(isFixed);
    case "choice":
      return node.options.length === 1 && node.options.every(isFixed);
    case "repeat":
      return node.least === node.most && isFixed(node.body);
  }
}

/** Reads a pattern that RegExp has accepted with the flag `u`, as far as its shape goes. */
class PatternParser {
  private at = 0;
  private readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  whole(): Node {
    const node = this.choice(0);
    if (this.at < this.source.length) throw new PatternFault("its brackets do not match");
    return node;
  }

  private choice(depth: number): Node {
    if (depth > DEEPEST) throw new PatternFault(`it nests groups more than ${DEEPEST} deep`);
    const options: Node[] = [];
    do options.push(this.sequence(depth));
    while (this.take("|"));
    return { kind: "choice", options };
  }

  private sequence(depth: number): Node {
    const items: Node[] = [];
    while (this.at < this.source.length && !this.ahead("|") && !this.ahead(")"))
      items.push(this.quantified(this.atom(depth)));
    return { kind: "sequence", items };
  }

  private atom(depth: number): Node {
    if (this.take("(")) {
      const looks = this.match(/\?<?[=!]/y) !== undefined;
      // A name, flags for the group, or nothing: none of them changes how often it is tried.
      if (!looks) this.match(/\?(?:<[^>]*>|[a-z-]*:)/y);
      const body = this.choice(depth + 1);
      if (!this.take(")")) throw new PatternFault("its brackets do not match");
      return looks ? { kind: "look", body } : body;
    }
    if (this.match(/[$^]|\\[bB]/y)) return { kind: "place" };
    if (this.match(/\\(?:[1-9]|k<)/y)) throw new PatternFault("it refers back to what it matched");
    const character = this.match(
      /\[(?:[^\]\\]|\\.)*\]|\\[pPu]\{[^}]*\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\c.|\\.|[^[\\]/suy,
    );
    if (character === undefined) throw new PatternFault("it is none that can be read");
    return { kind: "character" };
  }

  private quantified(body: Node): Node {
    const text = this.match(/[*+?]|\{\d+(?:,\d*)?\}/y);
    if (text === undefined) return body;
    this.take("?");
    const [least, most] = bounds(text);
    if (least > MOST_COUNT) throw new PatternFault(`it counts to ${least}; ${MOST_COUNT} are allowed`);
    return { kind: "repeat", body, least, most };
  }

  private ahead(character: string): boolean {
    return this.source.startsWith(character, this.at);
  }

  private take(character: string): boolean {
    if (!this.ahead(character)) return false;
    this.at += character.length;
    return true;
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.source)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }
}

function bounds(quantifier: string): readonly [least: number, most: number] {
  if (quantifier === "*") return [0, Number.POSITIVE_INFINITY];
  if (quantifier === "+") return [1, Number.POSITIVE_INFINITY];
  if (quantifier === "?") return [0, 1];
  const [least = "", most] = quantifier.slice(1, -1).split(",");
  return [Number(least), most === undefined ? Number(least) : most === "" ? Number.POSITIVE_INFINITY : Number(most)];
}
