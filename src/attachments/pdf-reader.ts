import { abortable } from '../async/abortable.ts'
import { semaphore } from '../async/semaphore.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { type PdfJob, type PdfMessage, type PdfOptions, type PdfPage, tookTooLong } from './pdf-messages.ts'

export interface Pdf {
  pageCount: number
  pages: PdfPage[]
  /** The reason why pages, or the end of the last page, are missing. */
  cut: string | undefined
}

/** Reads a PDF. Errors: `invalid-request` for a file that is broken, protected or too costly to read; `cancelled`; those of `startThread`. */
export type ReadPdf = (data: Uint8Array, options: PdfOptions, signal: AbortSignal) => Promise<Pdf>

type PdfWorker = Pick<Worker, 'postMessage' | 'terminate' | 'onmessage' | 'onerror'>

export interface PdfReaderOptions {
  /** Starts a thread that receives one `PdfJob` and answers with `PdfMessage`s. Throws a GatewayError if no thread can be started. */
  startThread: () => PdfWorker
  clock: Clock
  memory: {
    /** Bytes of memory that the process holds. */
    held: () => number
    /** Bytes of memory that the machine has left. */
    left: () => number
  }
}

/** Threads at a time. Each may keep a CPU core busy. */
const maxThreads = 2
/** Bytes that one PDF may take. A file of 2 MB can unpack to 2 GB, and twenty pages of a colour scan take 700 MB (unpdf 1.7). */
const maxMemory = 1024 * 1024 * 1024
const checkEveryMs = 50
/** Additional time in which the thread may report the timeout itself. */
const graceMs = 1_000

/**
 * Reads PDFs in worker threads, so that no file delays other requests, however large it is when unpacked. A thread that
 * takes too long or too much memory is ended. The pages that it has read so far are the result.
 */
export function createPdfReader({ startThread, clock, memory }: PdfReaderOptions): ReadPdf {
  const inTurn = semaphore(maxThreads)

  return (data, options, signal) => inTurn(() => read({ data, options }, signal), signal)

  async function read(job: PdfJob, signal: AbortSignal): Promise<Pdf> {
    const thread = startThread()
    const pages: PdfPage[] = []
    const { promise, resolve, reject } = Promise.withResolvers<Pdf>()
    const maxHeld = memory.held() + Math.min(maxMemory, memory.left() / 2)
    const deadline = clock.monotonic() + job.options.limits.pdfTimeMs + graceMs
    let pageCount: number | undefined
    let stop = clock.after(checkEveryMs, check)
    thread.onmessage = ({ data }: MessageEvent<PdfMessage>) => onMessage(data)
    thread.onerror = () => finish('the rest of it is damaged', brokenFile)
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
          finish(step.cut, brokenFile)
          break
        case 'refused':
          reject(step.because === 'protected' ? lockedFile() : brokenFile())
          break
        default:
          step satisfies never
      }
    }

    function check(): void {
      stop = clock.after(checkEveryMs, check)
      if (memory.held() > maxHeld) finish('the rest of it takes too much memory to read', costlyFile)
      else if (clock.monotonic() > deadline) finish(tookTooLong(job.options.limits.pdfTimeMs), costlyFile)
    }

    /** Resolves with the pages read so far, or rejects if the file was not even opened. */
    function finish(cut: string | undefined, otherwise: () => GatewayError): void {
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

function costlyFile(): GatewayError {
  return unreadable('The PDF takes too long or too much memory to read; send a smaller one.')
}

function unreadable(message: string): GatewayError {
  return new GatewayError('invalid-request', message, { param: 'messages', code: 'invalid_document' })
}
