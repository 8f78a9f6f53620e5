/**
 * What a client thread and the coordinator's thread say to each other over their own port: plain objects, by structured
 * clone. The host thread routes none of it.
 */
import type { GroupCaller } from '../../protocol/group-link.ts'

/** `caller`: a client of the listener; undefined for a member of the thread itself. */
export interface ToCoordinator {
  readonly type: 'ask'
  readonly requestId: number
  readonly apiKey: number
  readonly apiVersion: number
  readonly request: object
  readonly caller: GroupCaller | undefined
}

export type FromCoordinator =
  | { readonly type: 'answer'; readonly requestId: number; readonly answer: object }
  /** A heartbeat of this member would tell it something. */
  | { readonly type: 'news'; readonly groupId: string; readonly memberId: string }

/** One end of such a port, whatever carries it. It keeps nobody's event loop alive. */
export interface GroupPort<Out, In> {
  post(message: Out): void
  onMessage(listener: (message: In) => void): void
  /** Called once, when the other end is gone, by close() or by the end of its thread. */
  onClose(listener: () => void): void
  close(): void
}

export type ClientPort = GroupPort<ToCoordinator, FromCoordinator>
export type CoordinatorPort = GroupPort<FromCoordinator, ToCoordinator>

/** The client host of members in this process, in records and descriptions: TCP clients have an address there. */
export const LOCAL_CLIENT_HOST = '/in-process'
export const LOCAL_CLIENT_ID = 'vltava'

/** What the coordinator's thread is started with. */
export interface CoordinatorStart {
  /** Broker settings by Kafka's names; those that are not the coordinator's are passed over. */
  readonly settings: Readonly<Record<string, string>>
  /** False: an earlier one of this log has ended, and members of this process may be alive. */
  readonly isFirst: boolean
}
