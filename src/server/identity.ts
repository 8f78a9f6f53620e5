/** Cluster and node id of the broker, from the data directory. */
import type { Fs } from '../base/env/env.ts'
import { VltavaError } from '../base/errors.ts'
import { directoryIdentity } from '../engine/directory-identity.ts'

export interface Identity {
  readonly clusterId: string
  readonly nodeId: number
}

/** Throws VltavaError DIRECTORY_CORRUPT and the like. */
export function readIdentity(fs: Fs, directory: string): Identity {
  const { clusterId, nodeId } = directoryIdentity(fs, directory)
  if (clusterId === undefined || nodeId === undefined) {
    throw new VltavaError('DIRECTORY_CORRUPT', `${directory} has no cluster.id or node.id in its meta.properties`)
  }
  return { clusterId, nodeId }
}
