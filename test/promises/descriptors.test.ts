import { expect, test } from 'bun:test'
import { join } from 'node:path'

test('a process without a file descriptor left goes on, says what it could not do, and does it afterwards', async () => {
  const script = join(import.meta.dir, '../support/without-descriptors.ts')
  const child = Bun.spawn(['sh', '-c', `ulimit -n 100; exec "$0" "$@"`, process.execPath, script], {
    stderr: 'inherit',
  })
  const unchecked = 'schema {"verdict":{"text":"{\\"a\\":1}"},"unchecked":"no thread could be started to judge by it"}'
  const judged = `schema {"verdict":{"violations":["the value must have required property 'b'"]}}`
  expect((await new Response(child.stdout).text()).trim().split('\n')).toEqual([
    ...['memory true', unchecked, unchecked, unchecked, 'pdf 503 out_of_file_descriptors'],
    ...['memory true', judged, judged, judged, 'pdf 400 invalid_document'],
  ])
}, 30_000)
