/**
 * Which creations, renames and removals are durable, and which of the others a power cut may leave.
 *
 * A change becomes durable when every directory that it edits has been synced since (a rename between two directories
 * needs both) and nothing that it builds on is still waiting. Stricter than ext4, where the sync of a new file brings
 * its name along.
 *
 * A power cut keeps any subset of the waiting changes that hangs together. Two sets of tokens say what builds on what:
 *
 *   token                marked by                     needed by
 *   entry:<dir>/<name>   every change of that entry    every change of that entry
 *   made:<dir>           the creation of <dir>         changes in <dir> or below it
 *   moved:<dir>          a move of <dir>               moves of directories to or from <dir> or below it
 *   inside:<dir>         changes in <dir>              the removal of <dir>
 *
 * A change that is dropped leaves its marks behind, and whatever needs a mark is dropped as well. So a rename is seen
 * whole or not at all, no file has two names, none loses its only name, and no directory ends up inside itself.
 */
import type { SimDirectory, SimInode } from './sim-inode.ts'

/** One entry: `node` is undefined where the name is removed. */
export interface EntryEdit {
  readonly directory: SimDirectory
  readonly name: string
  readonly node: SimInode | undefined
}

export interface DirectoryChange {
  readonly edits: readonly EntryEdit[]
  readonly marks: readonly string[]
  readonly needs: readonly string[]
  /** Directories that must still be synced. */
  readonly unsynced: Set<SimDirectory>
  /** A sync of one of its directories failed: it never becomes durable. */
  lost: boolean
}

export interface EntryContext {
  /** All directories above the edited entries, the edited ones included. */
  readonly above: Iterable<SimDirectory>
  readonly made?: SimDirectory | undefined
  readonly moved?: SimDirectory | undefined
  /** The empty directory that disappears, by rmdir or under a rename. */
  readonly removed?: SimDirectory | undefined
}

export function makeDirectoryChange(edits: readonly EntryEdit[], context: EntryContext): DirectoryChange {
  const { above, made, moved, removed } = context
  const entries = edits.map((edit) => `entry:${edit.directory.id}/${edit.name}`)
  const marks = [...entries, ...edits.map((edit) => `inside:${edit.directory.id}`)]
  const needs = [...entries]
  for (const directory of above) {
    needs.push(`made:${directory.id}`)
    if (moved !== undefined) needs.push(`moved:${directory.id}`)
  }
  if (made !== undefined) marks.push(`made:${made.id}`)
  if (moved !== undefined) marks.push(`moved:${moved.id}`)
  if (removed !== undefined) needs.push(`inside:${removed.id}`)
  return { edits, marks, needs, unsynced: new Set(edits.map((edit) => edit.directory)), lost: false }
}

/** Applies to the durable entries what `survives` allows and what hangs together; returns the rest, in order. */
export function settle(
  changes: readonly DirectoryChange[],
  survives: (change: DirectoryChange) => boolean,
): DirectoryChange[] {
  const dropped: DirectoryChange[] = []
  const marked = new Set<string>()
  for (const change of changes) {
    if (survives(change) && !change.needs.some((token) => marked.has(token))) {
      for (const edit of change.edits) {
        if (edit.node === undefined) edit.directory.durableEntries.delete(edit.name)
        else edit.directory.durableEntries.set(edit.name, edit.node)
      }
    } else {
      dropped.push(change)
      for (const token of change.marks) marked.add(token)
    }
  }
  return dropped
}

/** A directory that is gone cannot be synced: what waits for it waits for its parent, which makes its end durable. */
export function waitFor(changes: readonly DirectoryChange[], removed: SimDirectory, parent: SimDirectory): void {
  for (const change of changes) if (change.unsynced.delete(removed)) change.unsynced.add(parent)
}

/** Whether a power cut has a choice about this change. */
export function isUndecided(change: DirectoryChange): boolean {
  return !change.lost && change.unsynced.size > 0
}
