/**
 * Shape check of one MessagePack value before it is decoded: complete, nothing after it, no foreign extension.
 *
 * msgpackr's own extensions rebuild regular expressions, errors and object graphs, and its record definitions compile
 * a function from the field names they carry. A record's bytes come from anyone who may produce, so of the extensions
 * only the timestamp (-1) and msgpackr's `undefined` (0) pass; everything else in the MessagePack specification is
 * plain data and does too. Linear, without recursion, and allocates nothing: a depth bomb is left to the decoder,
 * which the engine's stack limit stops.
 */

const TIMESTAMP_EXTENSION = 0xff
const UNDEFINED_EXTENSION = 0

import { VltavaError } from '../base/errors.ts'

/** Returns whether `bytes`, exactly one admissible value, holds binary anywhere. Throws SERIALIZATION if it is not. */
export function checkMsgpack(bytes: Uint8Array): boolean {
  const end = bytes.length
  let holdsBinary = false
  let position = 0
  let valuesLeft = 1 // Values still to come, the children of arrays and maps included; never over 2^53.
  while (valuesLeft > 0) {
    if (valuesLeft > end - position) throw fault(`ends at byte=${end} with ${valuesLeft} values missing`)
    valuesLeft -= 1
    const token = bytes[position++]!
    const lengthBytes = LENGTH_FIELD_BYTES[token]!
    if (lengthBytes > end - position) throw fault(`ends at byte=${end} within a length`)
    let length = FIXED_LENGTHS[token]!
    for (let index = 0; index < lengthBytes; index++) length = length * 256 + bytes[position++]!
    switch (KINDS[token]!) {
      case KIND_CHILDREN:
        valuesLeft += length
        break
      case KIND_PAIRS:
        valuesLeft += 2 * length
        break
      case KIND_EXTENSION: {
        const type = bytes[position]
        if (type !== undefined && type !== TIMESTAMP_EXTENSION && type !== UNDEFINED_EXTENSION) {
          throw fault(`has extension type=${type > 127 ? type - 256 : type} at byte=${position}, it is not plain data`)
        }
        position += 1 + length
        break
      }
      case KIND_INVALID:
        throw fault(`has the reserved token 0xc1 at byte=${position - 1}`)
      case KIND_BINARY:
        holdsBinary = true
        position += length
        break
      default:
        position += length
    }
    if (position > end) throw fault(`ends at byte=${end}, ${position - end} bytes short`)
  }
  if (position !== end) throw fault(`has ${end - position} bytes after its end at byte=${position}`)
  return holdsBinary
}

function fault(text: string): VltavaError {
  return new VltavaError('SERIALIZATION', `MessagePack value ${text}`)
}

// Kind 0, the most: `length` payload bytes follow.
const KIND_CHILDREN = 1 // `length` values follow.
const KIND_PAIRS = 2 // `length` keys and values follow.
const KIND_EXTENSION = 3 // A type byte and `length` payload bytes follow.
const KIND_INVALID = 4
const KIND_BINARY = 5 // `length` payload bytes follow.

const KINDS = new Uint8Array(256)
const FIXED_LENGTHS = new Uint8Array(256)
const LENGTH_FIELD_BYTES = new Uint8Array(256)

for (let count = 0; count < 16; count++) {
  KINDS[0x80 + count] = KIND_PAIRS
  FIXED_LENGTHS[0x80 + count] = count
  KINDS[0x90 + count] = KIND_CHILDREN
  FIXED_LENGTHS[0x90 + count] = count
}
for (let length = 0; length < 32; length++) FIXED_LENGTHS[0xa0 + length] = length
KINDS[0xc1] = KIND_INVALID
for (let power = 0; power < 3; power++) {
  LENGTH_FIELD_BYTES[0xc4 + power] = 1 << power // bin 8, 16, 32
  KINDS[0xc4 + power] = KIND_BINARY
  LENGTH_FIELD_BYTES[0xc7 + power] = 1 << power // ext 8, 16, 32
  KINDS[0xc7 + power] = KIND_EXTENSION
  LENGTH_FIELD_BYTES[0xd9 + power] = 1 << power // str 8, 16, 32
}
FIXED_LENGTHS[0xca] = 4 // float 32
FIXED_LENGTHS[0xcb] = 8 // float 64
for (let power = 0; power < 4; power++) {
  FIXED_LENGTHS[0xcc + power] = 1 << power // uint 8, 16, 32, 64
  FIXED_LENGTHS[0xd0 + power] = 1 << power // int 8, 16, 32, 64
}
for (let power = 0; power < 5; power++) {
  FIXED_LENGTHS[0xd4 + power] = 1 << power // fixext 1, 2, 4, 8, 16
  KINDS[0xd4 + power] = KIND_EXTENSION
}
for (let power = 0; power < 2; power++) {
  LENGTH_FIELD_BYTES[0xdc + power] = 2 << power // array 16, 32
  KINDS[0xdc + power] = KIND_CHILDREN
  LENGTH_FIELD_BYTES[0xde + power] = 2 << power // map 16, 32
  KINDS[0xde + power] = KIND_PAIRS
}
