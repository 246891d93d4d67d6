import { systemClock } from '../../async/system-clock.ts'
import { withTimeout } from '../../core/clock.ts'

/** A disk may need some seconds for a file of a hundred megabytes. */
const usualLimitMs = 15_000
const maxLength = 1000

/**
 * Runs `PATH version` and gives what it prints. Rejects with a reason if it ends with a failure, prints more than a
 * version, or is not done in time; it does not run on then.
 */
export async function versionOf(path: string, limitMs = usualLimitMs): Promise<string> {
  const child = Bun.spawn([path, 'version'], { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' })
  const printed = async () => {
    let text = ''
    const decoder = new TextDecoder()
    for await (const bytes of child.stdout) {
      text += decoder.decode(bytes, { stream: true })
      if (text.length > maxLength) throw new Error('it prints more than a version')
    }
    const code = await child.exited
    if (code !== 0) throw new Error(`it ended with code ${code}`)
    return text
  }
  const late = () => Promise.reject(new Error(`it did not say its version within ${limitMs / 1000} s`))
  try {
    return await withTimeout(printed(), limitMs, late, systemClock)
  } finally {
    child.kill('SIGKILL')
    // A file that runs cannot be removed on Windows.
    await child.exited
  }
}
