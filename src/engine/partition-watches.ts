/**
 * PartitionWatches: which partitions a client thread wants to hear of, by place (shard and slot), and whom to tell when
 * one of them has moved. Owned by the transport's thread.
 *
 * By place, not by name: when an interest is given up, the name may be another topic's. Who only wants the thread to be
 * woken takes no listener; a listener is called in the transport's loop, once for any number of moves since the last
 * call, and the cost of a wake-up is that of the partitions that moved, however many are watched.
 */
import { assert } from '../base/assert.ts'
import type { Interest } from '../ring/interest.ts'

interface Place {
  readonly shardIndex: number
  readonly slot: number
  count: number
  readonly listeners: Set<() => void>
}

export class PartitionWatches {
  readonly #shards: readonly { readonly interest: Interest }[]
  readonly #places: Map<number, Place>[]
  #listenerCount = 0

  constructor(shards: readonly { readonly interest: Interest }[]) {
    this.#shards = shards
    this.#places = shards.map(() => new Map<number, Place>())
  }

  /** Somebody listens: the transport's loop has to go on. */
  get hasListeners(): boolean {
    return this.#listenerCount > 0
  }

  /** Returns how to take it back, once. */
  add(shardIndex: number, slot: number, listener?: () => void): () => void {
    const places = this.#places[shardIndex]!
    let place = places.get(slot)
    if (place === undefined) {
      place = { shardIndex, slot, count: 0, listeners: new Set() }
      places.set(slot, place)
      this.#shards[shardIndex]!.interest.set(slot, true)
    }
    place.count += 1
    if (listener !== undefined) {
      assert(!place.listeners.has(listener), 'a listener is added once')
      place.listeners.add(listener)
      this.#listenerCount += 1
    }
    const kept = place
    return () => this.#remove(kept, listener)
  }

  #remove(place: Place, listener: (() => void) | undefined): void {
    place.count -= 1
    assert(place.count >= 0, 'interest is given up as often as it was taken')
    if (listener !== undefined && place.listeners.delete(listener)) this.#listenerCount -= 1
    if (place.count > 0) return
    this.#places[place.shardIndex]!.delete(place.slot)
    this.#shards[place.shardIndex]!.interest.set(place.slot, false)
  }

  hasNews(): boolean {
    if (this.#listenerCount === 0) return false
    for (const { interest } of this.#shards) if (interest.hasMoved()) return true
    return false
  }

  /** Tells the listeners of every partition that moved. */
  tell(): void {
    for (const [shardIndex, { interest }] of this.#shards.entries()) {
      if (!interest.hasMoved()) continue
      interest.takeMoved((slot) => this.tellOf(shardIndex, slot))
    }
  }

  /** Tells the listeners of one partition. */
  tellOf(shardIndex: number, slot: number): void {
    const place = this.#places[shardIndex]!.get(slot)
    // A copy: who is told may stop listening, or begin.
    if (place !== undefined) for (const listener of [...place.listeners]) listener()
  }

  /** The shard has a new incarnation and a new interest table; everything may have moved. */
  restore(shardIndex: number): void {
    const places = [...this.#places[shardIndex]!.values()]
    for (const { slot } of places) this.#shards[shardIndex]!.interest.set(slot, true)
    for (const { slot } of places) this.tellOf(shardIndex, slot)
  }

  /** The log is gone: everybody is told, so that they see it. */
  tellAll(): void {
    for (const [shardIndex, places] of this.#places.entries()) {
      for (const slot of [...places.keys()]) this.tellOf(shardIndex, slot)
    }
  }
}
