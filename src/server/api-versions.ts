/**
 * ApiVersions: what this broker speaks, and the features that clients decide by (KIP-35, KIP-511, KIP-584).
 *
 * - Exactly the versions of Kafka 4.3.1 for each API that has a handler, with one difference that Kafka has too:
 *   Produce begins at 0, or some clients fail to compress (KAFKA-18659). Versions below 3 are then refused.
 * - A version that is not known is answered in version 0, with UNSUPPORTED_VERSION and the list.
 * - group.version 1: the consumer protocol of KIP-848. transaction.version 0: clients keep to the protocol before
 *   KIP-890. metadata.version is that of 4.3.
 * - In answers to versions below 4 a feature whose lowest version is 0 shows 1, as in Kafka (KAFKA-17011).
 */
import type { apiVersions } from '../protocol/messages/18-api-versions.ts'
import type { Api, RequestOf, ResponseOf } from '../protocol/wire/api.ts'
import type { Call } from './call.ts'
import { INVALID_REQUEST, NONE, UNSUPPORTED_VERSION } from './error-codes.ts'

const PRODUCE_KEY = 0
/** Kafka's pattern for the name and the version of a client's software. */
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

interface Feature {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly finalized: number
}

export const FEATURES: readonly Feature[] = [
  { name: 'group.version', min: 0, max: 1, finalized: 1 },
  { name: 'metadata.version', min: 7, max: 30, finalized: 30 },
  { name: 'transaction.version', min: 0, max: 0, finalized: 0 },
]

export type ServeApiVersions = (request: RequestOf<typeof apiVersions> | undefined, call: Call) => object

/** `apis`: those that have a handler. */
export function serveApiVersions(apis: readonly Api[]): ServeApiVersions {
  const apiKeys = apis.map(({ key, firstVersion, lastVersion }) => ({
    apiKey: key,
    minVersion: key === PRODUCE_KEY ? 0 : firstVersion,
    maxVersion: lastVersion,
  }))
  return (request, call): Partial<ResponseOf<typeof apiVersions>> => {
    if (request === undefined) return { errorCode: UNSUPPORTED_VERSION, apiKeys }
    const { clientSoftwareName, clientSoftwareVersion } = request
    if (call.apiVersion >= 3 && !(SOFTWARE.test(clientSoftwareName) && SOFTWARE.test(clientSoftwareVersion))) {
      return { errorCode: INVALID_REQUEST }
    }
    const lowest = call.apiVersion < 4 ? 1 : 0
    return {
      errorCode: NONE,
      apiKeys,
      throttleTimeMs: 0,
      supportedFeatures: FEATURES.filter(({ max }) => max >= lowest).map(({ name, min, max }) => ({
        name,
        minVersion: Math.max(min, lowest),
        maxVersion: max,
      })),
      finalizedFeaturesEpoch: 1,
      finalizedFeatures: FEATURES.filter(({ finalized }) => finalized > 0).map(({ name, finalized }) => ({
        name,
        maxVersionLevel: finalized,
        minVersionLevel: finalized,
      })),
    }
  }
}
