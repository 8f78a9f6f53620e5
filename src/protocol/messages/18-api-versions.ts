/**
 * ApiVersions: the versions of each API that a broker speaks.
 *
 * A client that asks in a version the broker lacks is answered in version 0, with the error and the list.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int64, string } from '../wire/schema.ts'

export const apiVersions = new Api({
  key: 18,
  name: 'ApiVersions',
  versions: [0, 4],
  flexibleSince: 3,
  request: {
    clientSoftwareName: string({ since: 3, ignorable: true }),
    clientSoftwareVersion: string({ since: 3, ignorable: true }),
  },
  response: {
    errorCode: int16(),
    apiKeys: array({
      apiKey: int16(),
      minVersion: int16(),
      maxVersion: int16(),
    }),
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    supportedFeatures: array(
      {
        name: string(),
        minVersion: int16(),
        maxVersion: int16(),
      },
      { since: 3, ignorable: true, tag: 0 },
    ),
    finalizedFeaturesEpoch: int64({ since: 3, default: -1, ignorable: true, tag: 1 }),
    finalizedFeatures: array(
      {
        name: string(),
        maxVersionLevel: int16(),
        minVersionLevel: int16(),
      },
      { since: 3, ignorable: true, tag: 2 },
    ),
    zkMigrationReady: boolean({ since: 3, ignorable: true, tag: 3 }),
  },
})
