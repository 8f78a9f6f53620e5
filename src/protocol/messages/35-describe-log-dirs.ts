/**
 * DescribeLogDirs: the log directories of a broker and what lies in them. null topics are all of them.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int64, string } from '../wire/schema.ts'

export const describeLogDirs = new Api({
  key: 35,
  name: 'DescribeLogDirs',
  versions: [1, 5],
  flexibleSince: 2,
  request: {
    topics: array(
      {
        topic: string(),
        partitions: array(int32()),
      },
      { nullableSince: 0 },
    ),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16({ since: 3, ignorable: true }),
    results: array({
      errorCode: int16(),
      logDir: string(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          partitionSize: int64(),
          offsetLag: int64(),
          isFutureKey: boolean(),
        }),
      }),
      totalBytes: int64({ since: 4, default: -1, ignorable: true }),
      usableBytes: int64({ since: 4, default: -1, ignorable: true }),
      isCordoned: boolean({ since: 5, ignorable: true }),
    }),
  },
})
