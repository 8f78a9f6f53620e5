/**
 * DeleteTopics: deletes topics: by name up to 5, by name or id from 6 on.
 */
import { Api } from '../wire/api.ts'
import { array, int16, int32, string, uuid } from '../wire/schema.ts'

export const deleteTopics = new Api({
  key: 20,
  name: 'DeleteTopics',
  versions: [1, 6],
  flexibleSince: 4,
  request: {
    topics: array(
      {
        name: string({ nullableSince: 0, default: null }),
        topicId: uuid(),
      },
      { since: 6 },
    ),
    topicNames: array(string(), { until: 5, ignorable: true }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32(),
    responses: array({
      name: string({ nullableSince: 6 }),
      topicId: uuid({ since: 6, ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ since: 5, nullableSince: 0, default: null, ignorable: true }),
    }),
  },
})
