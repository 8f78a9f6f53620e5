/**
 * GROUP_HANDLERS: the APIs of groups and committed offsets, by API key.
 */
import { offsetCommit } from '../../protocol/messages/08-offset-commit.ts'
import { offsetFetch } from '../../protocol/messages/09-offset-fetch.ts'
import { findCoordinator } from '../../protocol/messages/10-find-coordinator.ts'
import { joinGroup } from '../../protocol/messages/11-join-group.ts'
import { heartbeat } from '../../protocol/messages/12-heartbeat.ts'
import { leaveGroup } from '../../protocol/messages/13-leave-group.ts'
import { syncGroup } from '../../protocol/messages/14-sync-group.ts'
import { describeGroups } from '../../protocol/messages/15-describe-groups.ts'
import { listGroups } from '../../protocol/messages/16-list-groups.ts'
import { deleteGroups } from '../../protocol/messages/42-delete-groups.ts'
import { offsetDelete } from '../../protocol/messages/47-offset-delete.ts'
import { consumerGroupHeartbeat } from '../../protocol/messages/68-consumer-group-heartbeat.ts'
import { consumerGroupDescribe } from '../../protocol/messages/69-consumer-group-describe.ts'
import type { Api } from '../../protocol/wire/api.ts'
import type { Handler } from '../handler.ts'
import { handleFindCoordinator } from './10-find-coordinator.ts'
import { handleConsumerGroupDescribe, handleDescribeGroups } from './15-describe-groups.ts'
import { coordinated } from './coordinated.ts'

/** Whoever takes a handler out passes it what its API decodes to. */
function entry<A extends Api>(api: A, handler: Handler<A>): [number, Handler<Api>] {
  return [api.key, handler]
}

export const GROUP_HANDLERS: ReadonlyMap<number, Handler<Api>> = new Map([
  entry(offsetCommit, coordinated(offsetCommit)),
  entry(offsetFetch, coordinated(offsetFetch)),
  entry(findCoordinator, handleFindCoordinator),
  entry(joinGroup, coordinated(joinGroup)),
  entry(heartbeat, coordinated(heartbeat)),
  entry(leaveGroup, coordinated(leaveGroup)),
  entry(syncGroup, coordinated(syncGroup)),
  entry(describeGroups, handleDescribeGroups),
  entry(listGroups, coordinated(listGroups)),
  entry(deleteGroups, coordinated(deleteGroups)),
  entry(offsetDelete, coordinated(offsetDelete)),
  entry(consumerGroupHeartbeat, coordinated(consumerGroupHeartbeat)),
  entry(consumerGroupDescribe, handleConsumerGroupDescribe),
])
