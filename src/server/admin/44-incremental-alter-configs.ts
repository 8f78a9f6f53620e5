/**
 * IncrementalAlterConfigs (KIP-339) and AlterConfigs, the older way, which sets what it does not name back to its
 * default. Each resource by itself; all changes of one, or none.
 *
 * A resource that is named twice is changed by neither.
 */
import { VltavaError } from '../../base/errors.ts'
import type { alterConfigs } from '../../protocol/messages/33-alter-configs.ts'
import type { incrementalAlterConfigs } from '../../protocol/messages/44-incremental-alter-configs.ts'
import type { RequestOf, ResponseOf } from '../../protocol/wire/api.ts'
import type { SettingChange } from '../../settings/alter.ts'
import type { Handler, RequestContext } from '../handler.ts'
import { duplicatesIn, type Outcome, outcomeOfCall, refusal } from './outcome.ts'
import { ResourceType, resourceOf } from './resources.ts'

type IncrementalRequest = RequestOf<typeof incrementalAlterConfigs>
type Response = ResponseOf<typeof incrementalAlterConfigs>

const OPERATIONS = ['set', 'delete', 'append', 'subtract'] as const

interface Alteration {
  readonly resourceType: number
  readonly resourceName: string
  /** undefined: an operation that does not exist is asked for. */
  readonly changes: readonly SettingChange[] | undefined
}

export const handleIncrementalAlterConfigs: Handler<typeof incrementalAlterConfigs> = (request, context) => {
  const alterations = request.resources.map((resource) => ({ ...resource, changes: operationsOf(resource.configs) }))
  return alter(alterations, false, request.validateOnly, context)
}

export const handleAlterConfigs: Handler<typeof alterConfigs> = (request, context) => {
  const alterations = request.resources.map((resource) => ({
    ...resource,
    changes: resource.configs.map(({ name, value }) => ({ name, operation: 'set' as const, value })),
  }))
  return alter(alterations, true, request.validateOnly, context)
}

function operationsOf(configs: IncrementalRequest['resources'][number]['configs']): SettingChange[] | undefined {
  const changes: SettingChange[] = []
  for (const { name, configOperation, value } of configs) {
    const operation = OPERATIONS[configOperation]
    if (operation === undefined) return undefined
    changes.push({ name, operation, value })
  }
  return changes
}

async function alter(
  alterations: readonly Alteration[],
  isReplacement: boolean,
  validateOnly: boolean,
  context: RequestContext,
): Promise<Response> {
  const keyOf = ({ resourceType, resourceName }: Alteration): string => `${resourceType} ${resourceName}`
  const twice = duplicatesIn(alterations.map(keyOf))
  const responses: Response['responses'] = []
  for (const alteration of alterations) {
    const { resourceType, resourceName } = alteration
    const outcome = twice.has(keyOf(alteration))
      ? refusal('INVALID_REQUEST', `resource ${resourceName} of type ${resourceType} is named twice`)
      : await alterOne(alteration, isReplacement, validateOnly, context)
    responses.push({ ...outcome, resourceType, resourceName })
  }
  return { throttleTimeMs: 0, responses }
}

async function alterOne(
  { resourceType, resourceName, changes }: Alteration,
  isReplacement: boolean,
  validateOnly: boolean,
  { admin, broker }: RequestContext,
): Promise<Outcome> {
  if (changes === undefined) return refusal('INVALID_REQUEST', 'there is no such operation on a setting')
  if (resourceType === ResourceType.topic && resourceName === '') {
    return refusal('INVALID_REQUEST', 'a topic has a name; defaults of topics are settings of the broker')
  }
  const resource = resourceOf(resourceType, resourceName, broker.nodeId)
  if ('errorCode' in resource) return resource
  const { kind, name } = resource
  return outcomeOfCall(() => {
    if (kind === 'brokerLogger') throw new VltavaError('INVALID_CONFIG', 'no logger has a level here')
    return admin.ask({ type: 'alterSettings', kind, name, changes, isReplacement, validateOnly })
  })
}
