/**
 * SettingsAdmin: changes of settings and quotas. Part of the dispatcher, on its thread.
 *
 * Durable first, then obeyed, then told to every client thread.
 */
import { unreachable } from '../base/assert.ts'
import { VltavaError } from '../base/errors.ts'
import type { EngineRequest, QuotaChange } from '../protocol/admin-link.ts'
import { alterBroker, alterClientMetrics, alterGroup } from '../settings/alter.ts'
import { BROKER_SETTINGS } from '../settings/broker-settings.ts'
import type { Overrides, QuotaEntry, Values } from '../settings/overrides.ts'
import { settingIn, valueFault } from '../settings/setting.ts'
import type { DataDirectory } from './data-directory.ts'
import type { FromDispatcher } from './messages.ts'
import type { TopicAdmin } from './topic-admin.ts'

export type SettingsRequest = Extract<EngineRequest, { type: 'alterSettings' | 'giveSettings' | 'alterQuotas' }>

type AlterSettings = Extract<EngineRequest, { type: 'alterSettings' }>

export class SettingsAdmin {
  readonly #directory: DataDirectory
  readonly #topics: TopicAdmin
  readonly #send: (message: FromDispatcher) => void

  constructor(directory: DataDirectory, topics: TopicAdmin, send: (message: FromDispatcher) => void) {
    this.#directory = directory
    this.#topics = topics
    this.#send = send
  }

  get overrides(): Overrides {
    return this.#directory.settings.overrides
  }

  /** Throws VltavaError for what the requester did wrong, or for the disk. */
  async obey(request: SettingsRequest): Promise<undefined> {
    switch (request.type) {
      case 'alterSettings':
        await this.#alter(request)
        return undefined
      case 'giveSettings':
        checkGiven(request.settings)
        this.#directory.settings.give(request.settings)
        await this.#changed()
        return undefined
      case 'alterQuotas':
        await this.#put({ quotas: changedQuotas(this.overrides.quotas, request.changes) })
        return undefined
      default:
        return unreachable(request)
    }
  }

  async #alter(request: AlterSettings): Promise<void> {
    if (request.kind === 'topic') {
      await this.#topics.alterSettings(request)
      return
    }
    const change = this.#layer(request)
    if (!request.validateOnly) await this.#put(change)
  }

  #layer({ kind, name, changes, isReplacement }: AlterSettings): Partial<Overrides> {
    const { overrides } = this
    switch (kind) {
      case 'broker':
      case 'brokerDefault':
        return { [kind]: alterBroker(overrides, kind, changes, isReplacement) }
      case 'group':
        return { groups: withLayer(overrides.groups, name, alterGroup(overrides, name, changes, isReplacement)) }
      case 'clientMetrics': {
        const values = alterClientMetrics(overrides, name, changes, isReplacement)
        return { clientMetrics: withLayer(overrides.clientMetrics, name, values) }
      }
      case 'topic':
        throw new Error('topics are altered by TopicAdmin')
      default:
        return unreachable(kind)
    }
  }

  async #put(change: Partial<Omit<Overrides, 'static'>>): Promise<void> {
    this.#directory.reserve.use(() => this.#directory.settings.put(change))
    await this.#changed()
  }

  async #changed(): Promise<void> {
    await this.#topics.defaultsChanged()
    this.#send({ type: 'overrides', overrides: this.overrides })
  }
}

/** Throws VltavaError INVALID_CONFIG for a value that a setting of the broker cannot have; others are let in. */
export function checkGiven(given: Values): void {
  for (const [name, value] of Object.entries(given)) {
    const setting = settingIn(BROKER_SETTINGS, name)
    const fault = setting === undefined ? undefined : valueFault(setting, value)
    if (fault !== undefined) throw new VltavaError('INVALID_CONFIG', `${name}=${value} ${fault}`)
  }
}

/** Without an entry for who has nothing set. */
function withLayer(
  layers: Readonly<Record<string, Values>>,
  name: string,
  values: Values,
): Readonly<Record<string, Values>> {
  const others = Object.entries(layers).filter(([other]) => other !== name)
  return Object.fromEntries(Object.keys(values).length === 0 ? others : [...others, [name, values]])
}

function changedQuotas(quotas: readonly QuotaEntry[], changes: readonly QuotaChange[]): QuotaEntry[] {
  const byEntity = new Map(quotas.map((quota) => [entityKey(quota.entity), quota]))
  for (const { entity, values } of changes) {
    const key = entityKey(entity)
    const merged = Object.entries({ ...byEntity.get(key)?.values, ...values })
    const left = merged.filter((entry): entry is [string, number] => entry[1] !== null)
    if (left.length === 0) byEntity.delete(key)
    else byEntity.set(key, { entity, values: Object.fromEntries(left) })
  }
  return [...byEntity.values()]
}

function entityKey({ user, 'client-id': clientId, ip }: QuotaEntry['entity']): string {
  return JSON.stringify([
    user === undefined ? 0 : [user],
    clientId === undefined ? 0 : [clientId],
    ip === undefined ? 0 : [ip],
  ])
}
