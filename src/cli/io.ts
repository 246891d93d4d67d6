import { readFileSync } from 'node:fs'
import type { Surroundings } from '../config/sources.ts'
import { systemClock } from '../wire/clock.ts'
import { gathered, type Text } from './gathered.ts'
import { type Losses, output } from './output.ts'

/** All that a command touches of the process it runs in. */
export interface Io extends Surroundings {
  /** Both write the text as it is. */
  stdout(text: string): void
  /** `mayWait` is for lines that may come many at a time: they are out in a moment, in order with all else. */
  stderr(text: Text, mayWait?: boolean): void
  stderrLosses?: Losses
  version: string
}

/** The real process: the only place that reads its environment. */
export function systemIo(version: string): Io {
  const lossy = output(process.stderr)
  const stderr = gathered(lossy.write, systemClock)
  process.on('exit', stderr.flush)
  return {
    env: process.env,
    cwd: process.cwd(),
    readFile,
    stdout: (text) => void process.stdout.write(text),
    stderr: stderr.write,
    stderrLosses: lossy.losses,
    version,
  }
}

function readFile(path: string): string | undefined {
  try {
    // Decoding drops the byte order mark that some editors put in front.
    return new TextDecoder().decode(readFileSync(path))
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw cause
  }
}
