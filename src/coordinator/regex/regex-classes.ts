/**
 * Sets of ASCII characters: one byte a character, 1 if it is in.
 */
export const ASCII = 128

export function singleClass(character: string): Uint8Array {
  const set = new Uint8Array(ASCII)
  const code = character.charCodeAt(0)
  if (code < ASCII) set[code] = 1
  return set
}

export function negate(set: Uint8Array): Uint8Array {
  return set.map((isIn) => 1 - isIn)
}

export function withBothCases(set: Uint8Array): Uint8Array {
  const both = Uint8Array.from(set)
  for (let lower = 0x61; lower <= 0x7a; lower++) {
    const isIn = set[lower]! | set[lower - 0x20]!
    both[lower] = isIn
    both[lower - 0x20] = isIn
  }
  return both
}

function matching(test: RegExp): Uint8Array {
  return new Uint8Array(ASCII).map((_, code) => (test.test(String.fromCharCode(code)) ? 1 : 0))
}

const DIGIT = matching(/[0-9]/)
const WORD = matching(/[0-9A-Za-z_]/)
const SPACE = matching(/[\t\n\f\r ]/)

const ESCAPES: Readonly<Record<string, Uint8Array>> = {
  d: DIGIT,
  D: negate(DIGIT),
  w: WORD,
  W: negate(WORD),
  s: SPACE,
  S: negate(SPACE),
  t: singleClass('\t'),
  n: singleClass('\n'),
  r: singleClass('\r'),
  f: singleClass('\f'),
  v: singleClass('\v'),
  a: singleClass('\u0007'),
}

/** What a letter behind a backslash stands for. */
export function classOf(letter: string): Uint8Array | undefined {
  return Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined
}

export function isWordCode(code: number): boolean {
  return WORD[code] === 1
}

export const POSIX_CLASSES: Readonly<Record<string, Uint8Array | undefined>> = {
  alnum: matching(/[0-9A-Za-z]/),
  alpha: matching(/[A-Za-z]/),
  ascii: new Uint8Array(ASCII).fill(1),
  blank: matching(/[\t ]/),
  digit: DIGIT,
  lower: matching(/[a-z]/),
  punct: matching(/[!-/:-@[-`{-~]/),
  space: matching(/[\t\n\v\f\r ]/),
  upper: matching(/[A-Z]/),
  word: WORD,
  xdigit: matching(/[0-9A-Fa-f]/),
}
