import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { systemClock } from '../../src/async/system-clock.ts'
import { limitsWith } from '../../src/attachments/limits.ts'
import { createPdfReader } from '../../src/attachments/pdf-reader.ts'
import { startPdfWorker } from '../../src/attachments/start-pdf-worker.ts'
import { asGatewayError } from '../../src/core/errors.ts'
import { startSchemaWorker } from '../../src/gateway/structured/start-schema-worker.ts'
import { createValidator } from '../../src/gateway/structured/validator.ts'
import { memoryReadings } from '../../src/observe/memory.ts'

// Opens files until no descriptor is left, tries what needs one, closes the files and tries again. Prints the results.

const clock = systemClock
const readings = memoryReadings(process)
const memory = { held: readings.resident, left: readings.available }
const readPdf = createPdfReader({ startThread: startPdfWorker, clock, memory })
const validate = createValidator({ startThread: startSchemaWorker, clock, memory })
const { signal } = new AbortController()

async function tellAll(): Promise<void> {
  console.log(`memory ${readings.resident() > 0 && readings.heapUsed() > 0 && readings.available() > 0}`)
  const job = { type: 'answer', text: '{"a":1}', schema: '{"required":["b"]}' } as const
  const judged = await Promise.all([job, job, job].map((each) => validate(each, signal)))
  for (const each of judged) console.log(`schema ${JSON.stringify(each)}`)
  const options = { vision: false, limits: limitsWith(1_000_000) }
  const error = asGatewayError(await readPdf(Buffer.from('no PDF'), options, signal).catch((thrown) => thrown))
  console.log(`pdf ${error.status} ${error.code}`)
}

const files: number[] = []
try {
  for (;;) files.push(openSync(devNull, 'r'))
} catch {
  await tellAll()
}
for (const file of files) closeSync(file)
await tellAll()
process.exit(0)
