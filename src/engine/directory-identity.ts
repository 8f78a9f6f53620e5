/** Who a data directory belongs to: what meta.properties says, for threads that have the log open. */
import type { Fs } from '../base/env/env.ts'
import { readLogDirectory } from '../log/log-directory.ts'

export interface DirectoryIdentity {
  readonly clusterId: string | undefined
  readonly nodeId: number | undefined
  readonly directoryId: string | undefined
}

/** Throws VltavaError DIRECTORY_VERSION, DIRECTORY_CORRUPT, or StorageError. */
export function directoryIdentity(fs: Fs, directory: string): DirectoryIdentity {
  return readLogDirectory(fs, directory) ?? { clusterId: undefined, nodeId: undefined, directoryId: undefined }
}
