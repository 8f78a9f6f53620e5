/** AlterClientQuotas (KIP-546): each entity by itself; all changes of one, or none. They are kept across restarts. */
import type { QuotaChange } from '../../protocol/admin-link.ts'
import type { alterClientQuotas } from '../../protocol/messages/49-alter-client-quotas.ts'
import type { RequestOf } from '../../protocol/wire/api.ts'
import type { Handler } from '../handler.ts'
import { duplicatesIn, type Outcome, outcomeOfCall, refusal, SUCCESS } from './outcome.ts'
import { isEntityType, quotaFault } from './quota-entities.ts'

type Entry = RequestOf<typeof alterClientQuotas>['entries'][number]
type Named = Entry['entity']

/** Addresses, and names that may be resolved to one. */
const ADDRESS = /^[0-9a-zA-Z.:_-]+$/

export const handleAlterClientQuotas: Handler<typeof alterClientQuotas> = async (request, { admin }) => {
  const keys = request.entries.map(({ entity }) => keyOf(entity))
  const twice = duplicatesIn(keys)
  const changes: QuotaChange[] = []
  const outcomes = new Map<string, { outcome: Outcome; entity: Named }>()
  request.entries.forEach((entry, i) => {
    const outcome = twice.has(keys[i]!)
      ? refusal('INVALID_REQUEST', 'an entity is changed twice in one request')
      : (entityFault(entry.entity) ?? opsFault(entry))
    outcomes.set(keys[i]!, { outcome: outcome ?? SUCCESS, entity: lastOfEachType(entry.entity) })
    if (outcome === undefined) changes.push(changeOf(entry))
  })
  const applied =
    request.validateOnly || changes.length === 0
      ? SUCCESS
      : await outcomeOfCall(() => admin.ask({ type: 'alterQuotas', changes }))
  const entries = [...outcomes.values()].map(({ outcome, entity }) => ({
    ...(outcome.errorCode === 0 ? applied : outcome),
    entity,
  }))
  return { throttleTimeMs: 0, entries }
}

/** Of a type that is named twice the last counts. */
function lastOfEachType(entity: Named): Named {
  return [...new Map(entity.map((one) => [one.entityType, one])).values()]
}

function keyOf(entity: Named): string {
  const types = lastOfEachType(entity).map(({ entityType, entityName }) => JSON.stringify([entityType, entityName]))
  return types.sort().join(' ')
}

function entityFault(entity: Named): Outcome | undefined {
  if (entity.length === 0) return refusal('INVALID_REQUEST', 'a quota is for somebody')
  for (const { entityType, entityName } of entity) {
    if (!isEntityType(entityType)) return refusal('INVALID_REQUEST', `there is no entity type ${entityType}`)
    if (entityName === '') return refusal('INVALID_REQUEST', `a ${entityType} has a name; null is the default one`)
    if (entityType === 'ip' && entityName !== null && !ADDRESS.test(entityName)) {
      return refusal('INVALID_REQUEST', `ip=${entityName} is no address`)
    }
  }
  const types = lastOfEachType(entity)
  if (types.length === 1 || !types.some(({ entityType }) => entityType === 'ip')) return undefined
  return refusal('INVALID_REQUEST', 'no quota is of an ip and a user or client-id together')
}

function opsFault({ entity, ops }: Entry): Outcome | undefined {
  const isIp = entity.some(({ entityType }) => entityType === 'ip')
  for (const { key, value, remove } of ops) {
    const fault = quotaFault(isIp, key, value, remove)
    if (fault !== undefined) return fault
  }
  return undefined
}

function changeOf({ entity, ops }: Entry): QuotaChange {
  return {
    entity: Object.fromEntries(entity.map(({ entityType, entityName }) => [entityType, entityName])),
    values: Object.fromEntries(ops.map(({ key, value, remove }) => [key, remove ? null : value])),
  }
}
