/** A setting of the broker: when it may change. */
import type { Setting } from './setting.ts'

export interface BrokerSetting extends Setting {
  /** 'fixed': at the start only. 'per-broker': while it runs, for one broker, not as a default of all. */
  readonly change: 'fixed' | 'dynamic' | 'per-broker'
  /** Shown only where it is set. */
  readonly isHidden?: boolean
}

type Limits = Pick<Setting, 'min' | 'max' | 'choices'> & Pick<BrokerSetting, 'isHidden'>

function maker(change: BrokerSetting['change']) {
  return (
    type: Setting['type'],
    defaultValue: string | null,
    documentation: string,
    limits: Limits = {},
  ): BrokerSetting => ({ type, default: defaultValue, documentation, change, ...limits })
}

export const fixed = maker('fixed')
export const dynamic = maker('dynamic')
export const perBroker = maker('per-broker')
