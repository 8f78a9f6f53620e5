/** Ways in which bytes go wrong, drawn from a seed. */

export type Draw = (limit: number) => number

/** A few random changes of `bytes`, which stay as they are: flips, overwritten numbers, cuts, repetitions, swaps. */
export function mutate(bytes: Uint8Array, draw: Draw): Uint8Array {
  let mutant: Uint8Array = bytes.slice()
  for (let changes = 1 + draw(4); changes > 0 && mutant.length > 0; changes--) {
    const position = draw(mutant.length)
    const length = 1 + draw(Math.min(32, mutant.length - position))
    switch (draw(8)) {
      case 0:
        mutant[position]! ^= 1 << draw(8)
        break
      case 1:
        mutant[position] = draw(256)
        break
      case 2:
        mutant.set(extreme(draw).subarray(0, mutant.length - position), position)
        break
      case 3:
        mutant = mutant.slice(0, position)
        break
      case 4:
        mutant = joined(mutant.subarray(0, position), mutant.subarray(position + length))
        break
      case 5:
        mutant = joined(
          mutant.subarray(0, position),
          mutant.subarray(position, position + length),
          mutant.subarray(position),
        )
        break
      case 6:
        mutant.fill(draw(2) === 0 ? 0 : 0xff, position, position + length)
        break
      default:
        mutant.copyWithin(draw(mutant.length), position, position + length)
    }
  }
  return mutant
}

/** Numbers at which arithmetic goes wrong, as bytes. */
function extreme(draw: Draw): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  const values = [0, -1, 1, 0x7fff_ffff, -0x8000_0000, 61, 49, 0x7f, 0x80]
  const value = values[draw(values.length)]!
  if (draw(2) === 0) {
    view.setInt32(0, value)
    return bytes.subarray(0, 4)
  }
  view.setBigInt64(0, [BigInt(value), 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, -(2n ** 53n)][draw(5)]!)
  return bytes
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let position = 0
  for (const part of parts) {
    bytes.set(part, position)
    position += part.length
  }
  return bytes
}

/** How much longer than under `npm test` this run is. */
export const FUZZ_SCALE = Number(process.env['FUZZ_SCALE'] ?? 1)
