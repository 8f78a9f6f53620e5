/**
 * UpdateFeatures: raises or lowers finalized features.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int8, string } from '../wire/schema.ts'

export const updateFeatures = new Api({
  key: 57,
  name: 'UpdateFeatures',
  versions: [0, 2],
  flexibleSince: 0,
  request: {
    timeoutMs: int32({ default: 60_000 }),
    featureUpdates: array({
      feature: string(),
      maxVersionLevel: int16(),
      allowDowngrade: boolean({ until: 0 }),
      upgradeType: int8({ since: 1, default: 1 }),
    }),
    validateOnly: boolean({ since: 1 }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableSince: 0 }),
    results: array(
      {
        feature: string(),
        errorCode: int16(),
        errorMessage: string({ nullableSince: 0 }),
      },
      { until: 1, ignorable: true },
    ),
  },
})
