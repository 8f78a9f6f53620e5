/**
 * Handlers of requests that a group's coordinator answers. The link finds the coordinator, and splits requests about
 * groups of several; a version's own fields and errors are the coordinator's business.
 *
 * A client that goes away leaves its members in their groups until their sessions end, as in Kafka: only whoever waited
 * for the answer stops waiting.
 */
import type { Api, RequestOf, ResponseOf } from '../../protocol/wire/api.ts'
import type { Handler, RequestContext } from '../handler.ts'

export async function askCoordinator<A extends Api>(
  api: A,
  request: RequestOf<A>,
  context: RequestContext,
): Promise<ResponseOf<A>> {
  const { apiVersion, clientId, clientHost, groups, signal } = context
  const answer = await groups.coordinate(api.key, apiVersion, request, { clientId, clientHost }, signal)
  // The coordinator answers in the words of the API that it was asked by.
  return answer as ResponseOf<A>
}

/** For an API whose answer is the coordinator's, as it is. */
export function coordinated<A extends Api>(api: A): Handler<A> {
  return (request, context) => askCoordinator(api, request, context)
}
