/** Every API that the listener answers, and who does it. */
import type { Env } from '../base/env/env.ts'
import { ADMIN_HANDLERS } from './admin/handlers.ts'
import type { ServerCore, ServerHandler } from './call.ts'
import { makeFetch } from './fetch/fetch.ts'
import { GROUP_HANDLERS } from './groups/handlers.ts'
import { serveInitProducerId } from './init-producer-id.ts'
import { serveListOffsets } from './list-offsets.ts'
import { makeProduce } from './produce/produce.ts'
import { TopicIds } from './topic-ids.ts'

export function makeHandlers(env: Env, core: ServerCore): ReadonlyMap<number, ServerHandler> {
  const topicIds = new TopicIds(core.transport)
  return new Map<number, ServerHandler>([
    ...GROUP_HANDLERS,
    ...ADMIN_HANDLERS,
    [0, makeProduce(env, core, topicIds)],
    [1, makeFetch(env, core, topicIds)],
    [2, serveListOffsets],
    [22, serveInitProducerId],
  ])
}
