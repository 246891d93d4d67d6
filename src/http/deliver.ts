import { type Clock, withTimeout } from '../core/clock.ts'
import { collector } from '../core/collect.ts'
import { GatewayError } from '../core/errors.ts'
import type { Reply } from '../core/events.ts'
import { pipeline, type ReplyStream } from '../core/pipeline.ts'
import type { RequestRecord } from '../observe/record.ts'
import { recordEvent } from './record-event.ts'
import { type ClientStreamOptions, streamedBody } from './streamed-body.ts'

export function streamHeaders(contentType: string): Record<string, string> {
  return {
    'content-type': contentType,
    'cache-control': 'no-cache, no-transform',
    // nginx buffers a proxied reply without this header.
    'x-accel-buffering': 'no',
  }
}

/**
 * A streaming reply. Waits up to one keep-alive interval for the first event, so that most failures still get a status of
 * their own. Then it sends 200, and keep-alives until the first event comes.
 *
 * Errors: rejects with GatewayError before the status is sent; afterwards a failure is the dialect's error event.
 */
export async function streamReply(options: ClientStreamOptions): Promise<Response> {
  const { reply, contentType, keepAliveMs, clock, record, headers } = options
  const early = await withTimeout(reply, keepAliveMs, () => undefined, clock)
  record.status = 200
  const responseHeaders = { ...streamHeaders(contentType), ...headers() }
  record.capture?.replyHead({ status: 200, headers: Object.entries(responseHeaders) })
  return new Response(streamedBody(options, early), { headers: responseHeaders })
}

/** A whole reply, collected from the same stream. Errors: the GatewayError that ended the stream. */
export async function wholeReply(reply: Promise<ReplyStream>, clock: Clock, record: RequestRecord): Promise<Reply> {
  const stream = await reply
  const collected = collector()
  await new Promise<void>((resolve, reject) => {
    const pipe = pipeline({
      encoder: { push: collected.push, end() {} },
      onEvent(event) {
        recordEvent(event, record, clock)
        return event
      },
      writeDirectly: () => 'catch up',
      onBroken: reject,
    })
    record.end = (error) => {
      pipe.fail(error)
      resolve()
    }
    pipe.begin(stream)
    pipe.next(() => resolve())
  })
  const result = collected.result()
  if (result === undefined || result instanceof Error)
    throw (
      result ?? new GatewayError('upstream-truncated', 'The upstream closed the stream before the answer was complete.')
    )
  return result
}
