import type { CredentialRefusal } from '../../core/credential-pool.ts'
import { type ErrorFacts, type ErrorKind, GatewayError } from '../../core/errors.ts'
import { isRecord, parseJson } from '../../core/json.ts'
import { quote } from '../../core/redact.ts'
import type { BufferedResponse } from '../../http-client/buffered-response.ts'

/** What can be done as long as nothing was sent to the client: try again, or let the pool choose another credential. */
export type Recovery = CredentialRefusal | 'again' | 'none'

/** One way in which a vendor's API fails, and what it means. */
export interface FailureRow {
  /** The gateway's own code, which clients see. */
  code: string
  /** The vendor's codes with this meaning. */
  codes?: readonly string[]
  /** HTTP statuses with this meaning, if no code is known. */
  statuses?: readonly number[]
  /** The vendor's messages with this meaning, whatever the code and the status. */
  words?: RegExp
  kind: ErrorKind
  message: string
  /** Appends the vendor's message, which says what field is wrong. */
  quoted?: true
  recovery: Recovery
  facts?: ErrorFacts
}

/** The failure that a response reports, in the vendor's terms. */
export interface UpstreamFailure {
  code: string
  text: string
}

export interface VendorErrorOptions {
  /** Name of the vendor, as the subject of a sentence: `Z.AI`. */
  label: string
  /** Matched by message first, then by code, then by HTTP status. */
  failures: readonly FailureRow[]
  /** What to do if there is no credential at all. */
  noKey: string
  /** What to check if the server answers with something that is not this API. */
  notAnApi: string
  /** Reads the failure in a JSON body; `undefined` if it reports none. Default: `failureIn`. */
  failureIn?: (body: unknown) => UpstreamFailure | undefined
  /** When a used-up quota is refilled, in epoch milliseconds, if the message says so. */
  resetTimeIn?: (text: string) => number | undefined
}

/** The errors of one vendor. `now` is in epoch milliseconds. */
export interface VendorErrors {
  label: string
  /** The error in a frame of the stream, if it is one. */
  ofFrame(frame: unknown, now: number): GatewayError | undefined
  /** The error for a whole response that came instead of a stream. */
  ofResponse(response: BufferedResponse, now: number): GatewayError
  recoveryOf(error: GatewayError): Recovery
  noKey(): GatewayError
  /** The error for a reply that ends normally without an answer. */
  empty(): GatewayError
  /** The error for a generation that failed in the middle of the reply. */
  brokenOff(): GatewayError
  /** The error for a part of the reply that cannot be read, without which the rest is not the reply. */
  unreadable(): GatewayError
}

/** Recoveries for codes of errors that no row creates. */
const otherRecoveries: Record<string, Recovery> = {
  upstream_unavailable: 'again',
  upstream_not_http: 'again',
  upstream_malformed: 'again',
  upstream_truncated: 'again',
  upstream_empty_response: 'again',
}

export function vendorErrors(options: VendorErrorOptions): VendorErrors {
  const { label, failures } = options
  const readFailure = options.failureIn ?? failureIn
  const unknownRefusal: FailureRow = {
    code: 'upstream_refused',
    kind: 'invalid-request',
    message: `${label} refuses this request.`,
    quoted: true,
    recovery: 'none',
  }
  const unknownFailure: FailureRow = {
    code: 'upstream_error',
    kind: 'upstream-unavailable',
    message: `${label} could not answer the call. Try again in a moment.`,
    recovery: 'again',
  }

  return {
    label,
    ofFrame(frame, now) {
      const failure = readFailure(frame)
      return failure && errorOf(failure, undefined, undefined, now)
    },
    ofResponse({ status, ok, headers, text }, now) {
      const failure = readFailure(parseJson(text))
      if (ok && !failure)
        return new GatewayError(
          'upstream-malformed',
          `${label} answered with something that is not a reply. ${options.notAnApi}`,
          {
            detail: { status, contentType: headers.get('content-type') },
          },
        )
      return errorOf(failure ?? { code: '', text: isMarkup(text) ? '' : text }, status, retryAfterOf(headers), now)
    },
    recoveryOf: ({ code }) =>
      failures.find((failure) => failure.code === code)?.recovery ??
      (code === unknownFailure.code ? unknownFailure.recovery : (otherRecoveries[code] ?? 'none')),
    noKey: () => new GatewayError('upstream-auth', options.noKey, { code: 'no_api_key' }),
    empty: () =>
      new GatewayError('upstream-malformed', `${label} ended its reply without an answer. Try again.`, {
        code: 'upstream_empty_response',
      }),
    unreadable: () =>
      new GatewayError('upstream-malformed', `${label} sent a part of its answer that cannot be read. Try again.`),
    brokenOff: () =>
      new GatewayError('upstream-unavailable', `${label} lost the model in the middle of the answer. Try again.`),
  }

  function errorOf(
    { code, text }: UpstreamFailure,
    status: number | undefined,
    waitMs: number | undefined,
    now: number,
  ): GatewayError {
    const known =
      failures.find(({ words }) => words?.test(text)) ??
      failures.find(({ codes }) => codes?.includes(code)) ??
      failures.find(({ statuses }) => status !== undefined && statuses?.includes(status)) ??
      (status !== undefined && status >= 400 && status < 500 ? unknownRefusal : unknownFailure)
    const resetsAt = known.kind === 'quota-exhausted' ? options.resetTimeIn?.(text) : undefined
    const retryAfterMs = resetsAt === undefined ? waitMs : Math.max(0, resetsAt - now)
    const param = known.quoted && fieldIn(text)
    return new GatewayError(known.kind, messageOf(known, text, resetsAt), {
      ...known.facts,
      code: known.code,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(param === undefined ? {} : { param }),
      detail: { code, status, text: quote(text) },
    })
  }

  function messageOf({ message, quoted }: FailureRow, text: string, resetsAt: number | undefined): string {
    if (resetsAt !== undefined) {
      const time = new Date(resetsAt).toISOString().slice(0, 16).replace('T', ' ')
      return `${message} It resets at ${time} UTC; until then use another key.`
    }
    const words = quote(text)
    return quoted && words !== '' ? `${message} It says: ${words}` : message
  }
}

/** How long a refused credential stays unusable, if the API says so. */
export function goodAgainAfterMs({ kind, retryAfterMs = 0 }: GatewayError): number | undefined {
  return kind === 'quota-exhausted' && retryAfterMs > 0 ? retryAfterMs : undefined
}

/** What the client is told of a conversation that is too long. */
export const windowExceededText = 'The conversation is longer than the model can take. Shorten or compact it.'

/** The error for a context window that was full before the answer began. */
export function windowExceeded(): GatewayError {
  return new GatewayError('context-overflow', windowExceededText, { param: 'messages' })
}

/**
 * Reads `{"error":{"code":"1001","message":"…"}}`, with the code as a number or the error as text. Also reads the
 * shapes of some other servers: `{"object":"error","code":400,"message":"…"}` and `{"detail":"…"}`.
 */
export function failureIn(body: unknown): UpstreamFailure | undefined {
  if (!isRecord(body)) return undefined
  const { error, detail } = body
  if (typeof error === 'string' && error !== '') return { code: codeOf(body), text: error }
  if (isRecord(error)) return { code: codeOf(error), text: textOf(error) }
  if (body.object === 'error') return { code: codeOf(body), text: textOf(body) }
  if (typeof detail === 'string' && !('choices' in body)) return { code: '', text: detail }
  return undefined
}

export function codeOf({ code }: Record<string, unknown>): string {
  return typeof code === 'string' || typeof code === 'number' ? String(code) : ''
}

export function textOf({ message, msg }: Record<string, unknown>): string {
  const text = message ?? msg
  return typeof text === 'string' ? text : ''
}

const fields: readonly (readonly [pattern: RegExp, param: string])[] = [
  [/tool.?choice/i, 'tool_choice'],
  [/tool_call/i, 'messages'],
  [/\btools?\b/i, 'tools'],
  [/\btemperature\b/i, 'temperature'],
  [/\btop_p\b/i, 'top_p'],
  [/\bmax_tokens\b/i, 'max_tokens'],
  [/\bstop\b/i, 'stop'],
  [/\bresponse_format\b/i, 'response_format'],
  [/\bthinking\b|\breasoning/i, 'reasoning'],
  [/\bmodel\b/i, 'model'],
  [/\bmessages?\b|\bprompt\b|\brole\b|\bimage/i, 'messages'],
]

/** The client's name of the field that the API's message is about. */
function fieldIn(text: string): string | undefined {
  return fields.find(([pattern]) => pattern.test(text))?.[1]
}

/** The header's value in milliseconds. It is whole seconds; no server sends a date. */
function retryAfterOf(headers: BufferedResponse['headers']): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  return seconds > 0 ? seconds * 1000 : undefined
}

function isMarkup(text: string): boolean {
  return /^\s*</.test(text)
}
