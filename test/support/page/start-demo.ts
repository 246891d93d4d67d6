import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The whole program with the scripted model on a free port, in a home and a state folder of its own: the executable named
 * by `BINARY`, or the source. Rejects if it ends before it listens.
 */
export async function startDemo(variables: Record<string, string> = {}) {
  const home = mkdtempSync(join(tmpdir(), 'zai2api-page-'))
  const program = process.env.BINARY ? [process.env.BINARY] : [process.execPath, 'src/main.ts']
  const running = Bun.spawn([...program, 'demo', '--port', '0'], {
    env: { PATH: process.env.PATH ?? '', HOME: home, XDG_STATE_HOME: home, ...variables },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const url = await addressIn(running.stdout)
  if (url === undefined) throw new Error(`it does not listen: ${await new Response(running.stderr).text()}`)
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      running.kill()
      await running.exited
      rmSync(home, { recursive: true, force: true })
    },
  }
}

async function addressIn(output: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of output) {
    text += decoder.decode(chunk, { stream: true })
    const url = /listening on (http:\S+?):? /.exec(text)?.[1]
    if (url) return url
  }
  return undefined
}
