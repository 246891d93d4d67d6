import { expect, test } from 'bun:test'
import { curlOf } from '../../src/page/requests/curl.ts'

const captured = (headers: [string, string][]) => ({
  method: 'POST',
  url: 'http://127.0.0.1:8080/v1/x',
  headers: [...headers, ['Content-Type', 'application/json'], ['Host', 'a']] as [string, string][],
  chunks: [{ at_ms: 0, text: `{"a":"it's"}` }],
  bytes: 1,
})

test.each<[string, string, ...string[]]>([
  ['authorization', 'authorization: Bearer $ZAI2API_KEY'],
  ['X-Api-Key', 'x-api-key: $ZAI2API_KEY'],
  ['x-goog-api-key', 'x-goog-api-key: $ZAI2API_KEY'],
  ['accept', 'authorization: Bearer $ZAI2API_KEY', "-H 'accept: [redacted]'"],
])('a request with %s becomes a command with the key as a variable', (name, key, ...others) => {
  expect(curlOf(captured([[name, '[redacted]']]), 'http://gateway/below/').split(' \\\n  ')).toEqual([
    "curl 'http://gateway/below/v1/x'",
    `-H "${key}"`,
    ...others,
    "-H 'Content-Type: application/json'",
    `--data-raw '{"a":"it'\\''s"}'`,
  ])
})
