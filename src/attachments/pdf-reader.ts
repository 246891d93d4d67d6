import { abortable } from '../async/abortable.ts'
import { semaphore } from '../async/semaphore.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { type PdfJob, type PdfMessage, type PdfOptions, type PdfPage, tookTooLong } from './pdf-messages.ts'

export interface Pdf {
  pageCount: number
  pages: PdfPage[]
  /** Why there are fewer pages than the document has, or less of the last. */
  cut: string | undefined
}

/** Errors: `invalid-request` for a file that is broken, protected or takes too much to read; `cancelled`; those of `startThread`. */
export type ReadPdf = (data: Uint8Array, options: PdfOptions, signal: AbortSignal) => Promise<Pdf>

type PdfWorker = Pick<Worker, 'postMessage' | 'terminate' | 'onmessage' | 'onerror'>

export interface PdfReaderOptions {
  /** A thread that takes one `PdfJob` and tells it in `PdfMessage`s. Throws a GatewayError where there is no room for one. */
  startThread: () => PdfWorker
  clock: Clock
  memory: {
    /** Bytes the process holds. */
    held: () => number
    /** Bytes the machine has left. */
    left: () => number
  }
}

/** At a time: each may take a core. */
const mostThreads = 2
/** More than before: a file of 2 MB can unpack to 2 GB, and twenty pages of a colour scan take 700 MB (unpdf 1.7). */
const mostMemory = 1024 * 1024 * 1024
const lookEveryMs = 50
/** For a thread to say itself that its time is over. */
const graceMs = 1_000

/**
 * Reads PDFs in threads of their own, so that no file holds up other requests, however large it is or becomes: what
 * goes on for too long or takes too much memory is ended, and what was read until then is the answer.
 */
export function createPdfReader({ startThread, clock, memory }: PdfReaderOptions): ReadPdf {
  const inTurn = semaphore(mostThreads)

  return (data, options, signal) => inTurn(() => read({ data, options }, signal), signal)

  async function read(job: PdfJob, signal: AbortSignal): Promise<Pdf> {
    const thread = startThread()
    const pages: PdfPage[] = []
    const { promise, resolve, reject } = Promise.withResolvers<Pdf>()
    const ceiling = memory.held() + Math.min(mostMemory, memory.left() / 2)
    const deadline = clock.monotonic() + job.options.limits.pdfTimeMs + graceMs
    let pageCount: number | undefined
    let stop = clock.after(lookEveryMs, look)
    thread.onmessage = ({ data }: MessageEvent<PdfMessage>) => onMessage(data)
    thread.onerror = () => give('the rest of it is damaged', brokenFile)
    thread.postMessage(job)
    return abortable(promise, signal).finally(() => {
      stop()
      thread.terminate()
    })

    function onMessage(step: PdfMessage): void {
      switch (step.type) {
        case 'opened':
          pageCount = step.pageCount
          break
        case 'page':
          pages.push(step.page)
          break
        case 'end':
          give(step.cut, brokenFile)
          break
        case 'refused':
          reject(step.because === 'protected' ? lockedFile() : brokenFile())
          break
        default:
          step satisfies never
      }
    }

    function look(): void {
      stop = clock.after(lookEveryMs, look)
      if (memory.held() > ceiling) give('the rest of it takes too much memory to read', vastFile)
      else if (clock.monotonic() > deadline) give(tookTooLong(job.options.limits.pdfTimeMs), vastFile)
    }

    /** What there is, or why there is nothing. */
    function give(cut: string | undefined, otherwise: () => GatewayError): void {
      if (pageCount === undefined) reject(otherwise())
      else resolve({ pageCount, pages, cut })
    }
  }
}

function brokenFile(): GatewayError {
  return unreadable('The PDF is broken and cannot be read; send a whole file.')
}

function lockedFile(): GatewayError {
  return unreadable('The PDF is protected by a password; send it without one.')
}

function vastFile(): GatewayError {
  return unreadable('The PDF takes too long or too much memory to read; send a smaller one.')
}

function unreadable(message: string): GatewayError {
  return new GatewayError('invalid-request', message, { param: 'messages', code: 'invalid_document' })
}
