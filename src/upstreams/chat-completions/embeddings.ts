import type { CallMeter } from '../../core/call-meter.ts'
import type { AttemptObserver } from '../../core/call-observer.ts'
import type { Clock } from '../../core/clock.ts'
import type { Pool } from '../../core/credential-pool.ts'
import type { EmbeddingCall, EmbeddingReply } from '../../core/embedding.ts'
import { asGatewayError, cancelled, GatewayError } from '../../core/errors.ts'
import { parseJson } from '../../core/json.ts'
import { backoff, createRetries, retryNote } from '../../wire/retry.ts'
import type { ApiClient } from './client.ts'
import { goodAgainAfterMs, type Recovery, type VendorErrors } from './errors.ts'
import { isRefusal } from './open.ts'
import { paths } from './paths.ts'
import { embeddingList, embeddingUsage } from './schema.ts'

export interface EmbedderOptions {
  client: ApiClient
  errors: VendorErrors
  pool: Pool<string>
  clock: Clock
  random: () => number
}

interface AttemptOptions {
  key: string
  meter: CallMeter
  observer: AttemptObserver | undefined
}

/** Asks for vectors: with a key of the pool, and once more after a failure that may pass. Errors: GatewayError. */
export function embedder(options: EmbedderOptions): (call: EmbeddingCall) => Promise<EmbeddingReply> {
  const { client, errors, pool, clock } = options

  return async (call) => {
    const { model, caller, signal, annotate, observer } = call
    const ticket = pool.ticket({
      ...{ model: model.upstreamId, caller, accepts: () => true, signal, noneAccepts: errors.noKey, annotate },
      onWait: observer?.waits,
    })
    const retries = createRetries<Recovery>()

    for (;;) {
      const meter = await call.bill()
      const lease = await ticket.lease()
      const observed = observer?.attempts(lease.fingerprint ?? lease.id)
      meter.leased(lease.fingerprint ?? lease.id)
      const outcome = await attempt(call, { key: lease.credential, meter, observer: observed }).catch(asGatewayError)
      if (!(outcome instanceof GatewayError)) {
        lease.reportSuccess()
        lease.release()
        observed?.ended()
        return outcome
      }
      observed?.failed(outcome)
      if (signal.aborted) {
        lease.release()
        throw cancelled()
      }
      const recovery = errors.recoveryOf(outcome)
      annotate(`${lease.id}: ${outcome.code}`)
      if (isRefusal(recovery)) {
        meter.refused()
        // Embeddings are billed to the balance of an account, whose plan may still pay for replies.
        const refusal = outcome.kind === 'quota-exhausted' ? 'model-unavailable' : recovery
        lease.reportFailure(refusal, outcome, goodAgainAfterMs(outcome))
        continue
      }
      lease.release()
      if (recovery === 'none' || retries.isSpent(recovery)) throw outcome
      annotate(retryNote(recovery, outcome))
      retries.add(recovery)
      observer?.backsOff()
      await backoff({ ...options, signal })
    }
  }

  async function attempt(
    { texts, dimensions, model, signal }: EmbeddingCall,
    { key, meter, observer }: AttemptOptions,
  ): Promise<EmbeddingReply> {
    // A field that is `undefined` is left out of the JSON.
    const body = JSON.stringify({ model: model.upstreamId, input: texts, dimensions })
    const response = await client.fetchWhole(paths.embeddings, { key, body, signal, observer, onSent: meter.sent })
    if (!response.ok) meter.refused()
    const list = response.ok ? parseJson(response.text) : undefined
    if (!embeddingList.Check(list) || list.data.length !== texts.length) throw errors.ofResponse(response, clock.now())
    observer?.begun()
    const { prompt_tokens, total_tokens } = embeddingUsage.Check(list.usage) ? list.usage : {}
    const inputTokens = prompt_tokens ?? total_tokens ?? 0
    if (inputTokens > 0) meter.reported({ inputTokens, outputTokens: 0 })
    meter.finished()
    return {
      vectors: list.data.toSorted((one, other) => one.index - other.index).map(({ embedding }) => embedding),
      inputTokens,
    }
  }
}
