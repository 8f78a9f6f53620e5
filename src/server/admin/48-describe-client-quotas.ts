/**
 * DescribeClientQuotas (KIP-546, KIP-612): quotas of the entities that a filter lets through.
 *
 * Each component of the filter names a type of entity, and how its name must be: exact, the default entity, or any. An
 * entity may have further types, unless the filter is strict.
 */
import type { describeClientQuotas } from '../../protocol/messages/48-describe-client-quotas.ts'
import type { RequestOf, ResponseOf } from '../../protocol/wire/api.ts'
import type { QuotaEntry } from '../../settings/overrides.ts'
import type { Handler } from '../handler.ts'
import { type Outcome, refusal } from './outcome.ts'
import { type EntityType, ENTITY_TYPES, isEntityType } from './quota-entities.ts'

type Request = RequestOf<typeof describeClientQuotas>
type Component = Request['components'][number]

const Match = { exact: 0, default: 1, any: 2 } as const

export const handleDescribeClientQuotas: Handler<typeof describeClientQuotas> = (request, { admin }) => {
  const fault = filterFault(request.components)
  if (fault !== undefined) return { throttleTimeMs: 0, ...fault, entries: null }
  const entries = admin.overrides.quotas.filter(({ entity }) => lets(request, entity)).map(shown)
  return { throttleTimeMs: 0, errorCode: 0, errorMessage: '', entries }
}

function filterFault(components: readonly Component[]): Outcome | undefined {
  const types = components.map(({ entityType }) => entityType)
  for (const { entityType, matchType, match } of components) {
    if (entityType === '') return refusal('INVALID_REQUEST', 'a component of the filter has no entity type')
    if (types.filter((type) => type === entityType).length > 1) {
      return refusal('INVALID_REQUEST', `entity type ${entityType} is in the filter twice`)
    }
    if (!isEntityType(entityType)) return refusal('UNSUPPORTED_VERSION', `there is no entity type ${entityType}`)
    if (matchType < Match.exact || matchType > Match.any) {
      return refusal('INVALID_REQUEST', `there is no match type ${matchType}`)
    }
    if ((matchType === Match.exact) === (match === null)) {
      return refusal('INVALID_REQUEST', 'a name belongs to an exact match, and to no other')
    }
  }
  if (types.length < 2 || !types.includes('ip')) return undefined
  return refusal('INVALID_REQUEST', 'no quota is of an ip and a user or client-id together')
}

function lets({ components, strict }: Request, entity: QuotaEntry['entity']): boolean {
  if (strict && Object.keys(entity).length !== components.length) return false
  return components.every(({ entityType, matchType, match }) => {
    const name = entity[entityType as EntityType]
    if (name === undefined) return false
    return matchType === Match.any || (matchType === Match.default ? name === null : name === match)
  })
}

function shown({
  entity,
  values,
}: QuotaEntry): NonNullable<ResponseOf<typeof describeClientQuotas>['entries']>[number] {
  return {
    entity: ENTITY_TYPES.flatMap((entityType) => {
      const entityName = entity[entityType]
      return entityName === undefined ? [] : [{ entityType, entityName }]
    }),
    values: Object.entries(values).map(([key, value]) => ({ key, value })),
  }
}
