/**
 * DescribeConfigs: settings of topics, brokers and the rest, with where each comes from.
 */
import { Api } from '../wire/api.ts'
import { array, boolean, int16, int32, int8, string } from '../wire/schema.ts'

export const describeConfigs = new Api({
  key: 32,
  name: 'DescribeConfigs',
  versions: [1, 4],
  flexibleSince: 4,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configurationKeys: array(string(), { nullableSince: 0 }),
    }),
    includeSynonyms: boolean(),
    includeDocumentation: boolean({ since: 3 }),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullableSince: 0 }),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string({ nullableSince: 0 }),
        readOnly: boolean(),
        configSource: int8({ default: -1 }),
        isSensitive: boolean(),
        synonyms: array({
          name: string(),
          value: string({ nullableSince: 0 }),
          source: int8(),
        }),
        configType: int8({ since: 3, ignorable: true }),
        documentation: string({ since: 3, nullableSince: 0, ignorable: true }),
      }),
    }),
  },
})
