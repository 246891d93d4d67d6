import { systemClock } from '../../async/system-clock.ts'
import { UsageError } from '../../config/usage-error.ts'

/** A download that brings less than `minBytes` within each `windowMs` is given up. A slow one may take its time. */
export interface Pace {
  windowMs: number
  minBytes: number
}

const usualPace: Pace = { windowMs: 30_000, minBytes: 30_000 }

/** An address, or a text with addresses, as it may be shown: it may hold the password of a mirror. */
export function withoutPassword(text: string): string {
  return text.replace(/\/\/[^/\s@]*@/g, '//…@')
}

/**
 * Gets a file of at most `maxBytes`, which is believed nothing: neither its length nor that it will end. Errors:
 * UsageError if it cannot be had, is too large, or does not go on.
 */
export async function download(url: string, maxBytes: number, pace = usualPace): Promise<Uint8Array> {
  const progress = { received: 0 }
  const abort = new AbortController()
  const stop = watchPace(progress, pace, (problem) => abort.abort(problem))
  try {
    const response = await fetch(url, {
      signal: abort.signal,
      // A few kilobytes of gzip may hold gigabytes.
      decompress: false,
      headers: { 'accept-encoding': 'identity' },
    })
    return await bodyOf(response, url, maxBytes, progress)
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    const problem = abort.signal.aborted ? abort.signal.reason : cause
    // Bun adds how a developer learns more.
    const reason = String(problem instanceof Error ? problem.message : problem).replace(
      /\.? For more information,.*/s,
      '',
    )
    const failed = url.startsWith('file:') ? 'cannot be read' : 'cannot be reached'
    throw new UsageError(withoutPassword(`${url} ${failed}: ${reason}`), { cause })
  } finally {
    stop()
    // Also where the rest of the body is not wanted.
    abort.abort()
  }
}

function watchPace(progress: { received: number }, { windowMs, minBytes }: Pace, giveUp: (problem: Error) => void) {
  let before = 0
  let stop = () => {}
  const wait = () => {
    stop = systemClock.after(windowMs, () => {
      if (progress.received - before < minBytes)
        return giveUp(new Error(`it has sent less than ${minBytes} bytes within ${windowMs / 1000} s`))
      before = progress.received
      wait()
    })
  }
  wait()
  return () => stop()
}

async function bodyOf(response: Response, address: string, maxBytes: number, progress: { received: number }) {
  const url = withoutPassword(address)
  // A part of a file is none of what was asked for.
  if (response.status !== 200) throw new UsageError(`${url} answers ${response.status}`)
  const encoding = response.headers.get('content-encoding') ?? 'identity'
  if (encoding !== 'identity') throw new UsageError(`${url} is sent as ${encoding}, which was not asked for`)
  const tooLarge = new UsageError(`${url} is larger than ${maxBytes} bytes, so that it is no part of a release`)
  if (Number(response.headers.get('content-length')) > maxBytes) throw tooLarge
  const parts: Uint8Array[] = []
  for await (const part of response.body ?? []) {
    progress.received += part.length
    if (progress.received > maxBytes) throw tooLarge
    parts.push(part)
  }
  return Buffer.concat(parts)
}
