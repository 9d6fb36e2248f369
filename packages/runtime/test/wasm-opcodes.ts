/**
 * A strict reader of WebAssembly's binary format that names every floating-point type and instruction of a module. What it does
 * not know it refuses, so nothing can hide. Opcodes: the core specification 2.0, threads, and relaxed SIMD.
 */

/** Places of floating point, in order; empty for an integer module. */
export function floatsOf(module: Uint8Array): readonly string[] {
  const reader = new Reader(module);
  if (reader.u32le() !== 0x6d736100 || reader.u32le() !== 1) throw new Error("this is not a WebAssembly module");
  const found: string[] = [];
  while (!reader.done) {
    const id = reader.byte();
    const section = reader.slice(reader.leb());
    if (id === 1) readTypes(section, found);
    else if (id === 2) readImports(section);
    else if (id === 6) readGlobals(section, found);
    else if (id === 10) readCode(section, found);
    else if (![0, 3, 4, 5, 7, 8, 9, 11, 12].includes(id)) throw new Error(`section ${id} is unknown`);
  }
  return found;
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error("the module ends in the middle");
    return byte;
  }

  u32le(): number {
    return this.byte() + 2 ** 8 * this.byte() + 2 ** 16 * this.byte() + 2 ** 24 * this.byte();
  }

  /** An unsigned LEB128; signed ones are skipped with it too. */
  leb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      if (scale > 2 ** 63) throw new Error("a number is too long");
    }
  }

  slice(length: number): Reader {
    if (this.#at + length > this.#bytes.length) throw new Error("the module ends in the middle");
    this.#at += length;
    return new Reader(this.#bytes.subarray(this.#at - length, this.#at));
  }
}

const INTEGER_TYPES = new Set([0x7f, 0x7e, 0x7b, 0x70, 0x6f]);

function readType(reader: Reader, place: string, found: string[]): void {
  const type = reader.byte();
  if (type === 0x7d || type === 0x7c) found.push(`${place}: a float type`);
  else if (!INTEGER_TYPES.has(type)) throw new Error(`${place}: type ${type} is unknown`);
}

function readTypes(reader: Reader, found: string[]): void {
  for (let i = 0, n = reader.leb(); i < n; i++) {
    if (reader.byte() !== 0x60) throw new Error(`type ${i} is not a function's`);
    for (let lists = 0; lists < 2; lists++)
      for (let j = 0, m = reader.leb(); j < m; j++) readType(reader, `type ${i}`, found);
  }
}

/** Only a memory may be imported: an imported function could compute anything. */
function readImports(reader: Reader): void {
  for (let i = 0, n = reader.leb(); i < n; i++) {
    reader.slice(reader.leb());
    reader.slice(reader.leb());
    if (reader.byte() !== 2) throw new Error(`import ${i} is not a memory`);
    const flags = reader.leb();
    reader.leb();
    if (flags & 1) reader.leb();
  }
}

function readGlobals(reader: Reader, found: string[]): void {
  for (let i = 0, n = reader.leb(); i < n; i++) {
    readType(reader, `global ${i}`, found);
    reader.byte();
    readInstructions(reader, `global ${i}`, found, true);
  }
}

function readCode(reader: Reader, found: string[]): void {
  for (let i = 0, n = reader.leb(); i < n; i++) {
    const body = reader.slice(reader.leb());
    for (let j = 0, m = body.leb(); j < m; j++) {
      body.leb();
      readType(body, `locals of function ${i}`, found);
    }
    readInstructions(body, `function ${i}`, found, false);
  }
}

const within = (x: number, ...ranges: readonly (readonly [number, number])[]): boolean =>
  ranges.some(([from, to]) => x >= from && x <= to);

/** Reads instructions to the end of the reader, or to the end of one expression. */
function readInstructions(reader: Reader, place: string, found: string[], one: boolean): void {
  for (let depth = 1; !reader.done; ) {
    const op = reader.byte();
    if (op === 0x0b && --depth === 0 && one) return;
    if (within(op, [0x02, 0x04])) depth++;
    const name = readOperands(reader, op, place);
    if (name !== undefined) found.push(`${place}: ${name}`);
  }
}

/** Reads what follows an opcode; gives its name where it is of floating point. */
function readOperands(reader: Reader, op: number, place: string): string | undefined {
  const hex = `opcode 0x${op.toString(16)}`;
  switch (op) {
    case 0xfc:
      return readMiscellaneous(reader, place);
    case 0xfd:
      return readVector(reader, place);
    case 0xfe:
      if (reader.leb() === 3) reader.byte();
      else skipMemory(reader);
      return undefined;
    case 0x0e:
      for (let i = 0, n = reader.leb(); i <= n; i++) reader.leb();
      return undefined;
    case 0x43:
      reader.slice(4);
      return hex;
    case 0x44:
      reader.slice(8);
      return hex;
    case 0x1c:
      for (let i = 0, n = reader.leb(); i < n; i++) if ([0x7c, 0x7d].includes(reader.byte())) return hex;
      return undefined;
  }
  if (within(op, [0x28, 0x3e])) {
    skipMemory(reader);
    return [0x2a, 0x2b, 0x38, 0x39].includes(op) ? hex : undefined;
  }
  if (within(op, [0x02, 0x04], [0x0c, 0x0d], [0x10, 0x10], [0x20, 0x26], [0x3f, 0x42], [0xd2, 0xd2])) {
    reader.leb();
    return undefined;
  }
  if (op === 0x11) {
    reader.leb();
    reader.leb();
    return undefined;
  }
  if (within(op, [0x5b, 0x66], [0x8b, 0xa6], [0xa8, 0xab], [0xae, 0xbf])) return hex;
  if (within(op, [0x00, 0x01], [0x05, 0x05], [0x0b, 0x0b], [0x0f, 0x0f], [0x1a, 0x1b], [0x45, 0x5a])) return undefined;
  if (within(op, [0x67, 0x8a], [0xa7, 0xa7], [0xac, 0xad], [0xc0, 0xc4])) return undefined;
  throw new Error(`${place}: ${hex} is unknown`);
}

function readMiscellaneous(reader: Reader, place: string): string | undefined {
  const op = reader.leb();
  if (op <= 7) return `opcode 0xfc ${op}`;
  if (op > 17) throw new Error(`${place}: opcode 0xfc ${op} is unknown`);
  reader.leb();
  if ([8, 10, 12, 14].includes(op)) reader.leb();
  return undefined;
}

function readVector(reader: Reader, place: string): string | undefined {
  const op = reader.leb();
  const name = `opcode 0xfd 0x${op.toString(16)}`;
  if (within(op, [0x00, 0x0b], [0x5c, 0x5d])) skipMemory(reader);
  else if (within(op, [0x0c, 0x0d])) reader.slice(16);
  else if (within(op, [0x15, 0x22])) reader.byte();
  else if (within(op, [0x54, 0x5b])) {
    skipMemory(reader);
    reader.byte();
  } else if (op > 0x113) throw new Error(`${place}: ${name} is unknown`);
  const isFloat = within(
    op,
    [0x13, 0x14],
    [0x1f, 0x22],
    [0x41, 0x4c],
    [0x5e, 0x5f],
    [0x67, 0x6a],
    [0x74, 0x75],
    [0x7a, 0x7a],
    [0x94, 0x94],
    [0xe0, 0xff],
    [0x101, 0x108],
    [0x10d, 0x110],
  );
  return isFloat ? name : undefined;
}

function skipMemory(reader: Reader): void {
  reader.leb();
  reader.leb();
}
