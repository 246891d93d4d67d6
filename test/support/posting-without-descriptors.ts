import { openSync } from 'node:fs'
import { devNull } from 'node:os'
import { systemClock } from '../../src/async/system-clock.ts'
import { asGatewayError } from '../../src/core/errors.ts'
import { systemLookup } from '../../src/http-client/dns.ts'
import { losslessFetch } from '../../src/http-client/lossless-fetch.ts'
import { send } from '../../src/http-client/send.ts'

// Opens files until no descriptor is left, then posts to the given address and prints the result.

const post = losslessFetch(fetch, systemLookup)
const options = { fetch: post, clock: systemClock, signal: new AbortController().signal, headersTimeoutMs: 5_000 }
const files: number[] = []
try {
  for (;;) files.push(openSync(devNull, 'r'))
} catch {
  const error = await send(`${process.argv[2]}/`, { method: 'POST', body: '{}' }, options).catch(asGatewayError)
  console.log(error instanceof Error ? `${error.status} ${error.code} ${error.message}` : error.status)
}
process.exit(0)
