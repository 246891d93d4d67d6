import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

export interface RunningProgram {
  url: string
  /** Its home, which holds the state folder. */
  home: string
  /** Ends it; its files stay until it is disposed of. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** The whole program with the scripted model. */
export function startDemo(variables: Record<string, string> = {}): Promise<RunningProgram> {
  return startProgram('demo', variables)
}

/**
 * The whole program on a free port, in a home and a state folder of its own: the executable named by `BINARY`, or the
 * source. Rejects if it ends before it listens.
 */
export async function startProgram(
  command: 'demo' | 'serve',
  variables: Record<string, string>,
): Promise<RunningProgram> {
  const home = mkdtempSync(join(tmpdir(), 'zai2api-page-'))
  const program = process.env.BINARY ? [resolve(process.env.BINARY)] : [process.execPath, resolve('src/main.ts')]
  const running = Bun.spawn([...program, command, '--port', '0'], {
    cwd: home,
    env: { PATH: process.env.PATH ?? '', HOME: home, XDG_STATE_HOME: home, ...variables },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const url = await addressIn(running.stdout)
  if (url === undefined) throw new Error(`it does not listen: ${await new Response(running.stderr).text()}`)
  const stop = async () => {
    running.kill()
    await running.exited
  }
  return {
    url,
    home,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop()
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
