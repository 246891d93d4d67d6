import { afterEach, describe, expect, test } from 'bun:test'

const children: Bun.Subprocess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill()
    await child.exited
  }
})

/** The real program, without the environment of the machine. */
function program(args: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/../../../src/main.ts`, ...args], {
    cwd: import.meta.dir,
    env: { PATH: process.env.PATH ?? '', ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  children.push(child)
  return child
}

/** The port of a gateway that listens on a free one. */
async function portOf(child: ReturnType<typeof program>): Promise<string> {
  let said = ''
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text
    const port = /http:\/\/[^/]+:(\d+)/.exec(said)?.[1]
    if (port !== undefined) return port
  }
  throw new Error(`no address in ${said}`)
}

describe('a port has one gateway:', () => {
  test.each([
    ['the same address', '127.0.0.1', '127.0.0.1'],
    ['every address, where one is taken', '127.0.0.1', '0.0.0.0'],
    ['one address, where every one is taken', '0.0.0.0', '127.0.0.1'],
    ['a name of the same address', '127.0.0.1', 'localhost'],
  ])('%s', async (_name, first, second) => {
    const env = { AUTH_TOKEN: 'sk-one' }
    const port = await portOf(program(['demo', '--host', first, '--port', '0'], env))
    const late = program(['demo', '--host', second, '--port', port], { AUTH_TOKEN: 'sk-two' })
    expect([await late.exited, await new Response(late.stdout).text(), await new Response(late.stderr).text()]).toEqual(
      [
        1,
        '',
        expect.stringContaining(
          `zai2api: port ${port} on ${second} is taken; choose another with --port, or --port 0 for any free one\n`,
        ),
      ],
    )
    const asked = { headers: { authorization: 'Bearer sk-one' } }
    const replies = Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${port}/v1/models`, asked))
    expect(new Set((await Promise.all(replies)).map(({ status }) => status))).toEqual(new Set([200]))
  })

  test('under make, the error says how make takes the flag', async () => {
    const port = await portOf(program(['demo', '--port', '0']))
    const late = program(['demo', '--port', port], { MAKELEVEL: '1' })
    expect([await late.exited, await new Response(late.stderr).text()]).toEqual([
      1,
      expect.stringContaining('or --port 0 for any free one (with make: ARGS="--port NUMBER")\n'),
    ])
  })

  test('an error about the metrics port names its flag', async () => {
    const port = await portOf(program(['demo', '--port', '0']))
    const late = program(['demo', '--port', '0', '--metrics-port', port])
    expect([await late.exited, await new Response(late.stdout).text(), await new Response(late.stderr).text()]).toEqual(
      [
        1,
        '',
        expect.stringContaining(
          `zai2api: port ${port} on 127.0.0.1 is taken; choose another with --metrics-port, or 0 for none\n`,
        ),
      ],
    )
  })
})
