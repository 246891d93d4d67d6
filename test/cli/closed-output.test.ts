import { expect, test } from 'bun:test'
import { tmpdir } from 'node:os'

// `zai2api doctor | head -1`: the reader is gone before the rest is written.
test.each(['doctor --upstreams demo --port 0', 'help settings'])(
  '%s ends as usual where nobody reads on',
  async (command) => {
    // It reads the first line.
    const line = `{ "$BUN" src/main.ts ${command}; echo "code $?" >&2; } | head -1`
    const child = Bun.spawn(['sh', '-c', line], {
      env: { PATH: process.env.PATH ?? '', HOME: tmpdir(), BUN: process.execPath },
      stdout: 'ignore',
      stderr: 'pipe',
    })
    expect([await new Response(child.stderr).text(), await child.exited]).toEqual(['code 0\n', 0])
  },
  // The checks of doctor make a request in every API.
  180_000,
)
