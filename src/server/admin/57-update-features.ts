/**
 * UpdateFeatures (KIP-584): the features of this broker have the levels that its release gives them. Asking for the
 * level that a feature has is fine; any other is refused, and with it the whole request.
 */
import type { updateFeatures } from '../../protocol/messages/57-update-features.ts'
import type { RequestOf } from '../../protocol/wire/api.ts'
import { FEATURES } from '../api-versions.ts'
import type { Handler } from '../handler.ts'
import { type Outcome, refusal, SUCCESS } from './outcome.ts'

type Update = RequestOf<typeof updateFeatures>['featureUpdates'][number]

/** From then on an answer has no line for each feature. */
const WITHOUT_RESULTS_SINCE = 2

export const handleUpdateFeatures: Handler<typeof updateFeatures> = ({ featureUpdates }, { apiVersion }) => {
  for (const update of featureUpdates) {
    const fault = faultOf(update)
    if (fault !== undefined) return { throttleTimeMs: 0, ...fault, results: [] }
  }
  const isEach = apiVersion < WITHOUT_RESULTS_SINCE
  const results = isEach ? featureUpdates.map(({ feature }) => ({ feature, ...SUCCESS, errorMessage: 'NONE' })) : []
  return { throttleTimeMs: 0, ...SUCCESS, results }
}

function faultOf({ feature, maxVersionLevel }: Update): Outcome | undefined {
  const known = FEATURES.find(({ name }) => name === feature)
  if (known === undefined) return refusal('INVALID_UPDATE_VERSION', `there is no feature ${feature}`)
  if (maxVersionLevel === known.finalized) return undefined
  const message = `${feature} has level=${known.finalized} in this release, and cannot have level=${maxVersionLevel}`
  return refusal('INVALID_UPDATE_VERSION', message)
}
