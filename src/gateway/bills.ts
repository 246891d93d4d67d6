import { callMeter, type MeteredCall } from '../core/call-meter.ts'
import type { Reservation, Spending } from '../core/spending.ts'
import type { Bill, Model, Upstream } from '../core/upstream.ts'
import { longestReply, replyLimit } from './output-limit.ts'
import type { Measurement } from './token-meter.ts'

export interface BillsOptions {
  upstream: Upstream
  model: Model
  measurement: Measurement
  /** `max_tokens` of the request. */
  maxTokens: number | undefined
  /** The budgets that pay; absent for a caller without budgets. */
  spending: Spending | undefined
  /** Receives each call that may cost something. */
  onCall: (call: MeteredCall) => void
  annotate: (note: string) => void
  /** Called if a smaller `max_tokens` is sent than the client asked for. */
  onIgnored: (name: string) => void
}

/** The bills of one attempt at an upstream, which may send several requests, one after the other. */
export interface Bills {
  /** The bill for the next request: see `UpstreamCall.bill`. Errors: those of `Spending.reserve`. */
  next(): Promise<OpenBill>
  /** Call it when the last request is over. Resolves when its cost is stored. */
  settle(): Promise<void>
}

export interface OpenBill extends Bill {
  meter: MeteredCall
}

export function createBills(options: BillsOptions): Bills {
  const { upstream, model, measurement, maxTokens: wanted, spending, onCall, annotate, onIgnored } = options
  let open: (OpenBill & Pick<Reservation, 'settle'>) | undefined

  return {
    async next() {
      // A refused request has cost nothing, so its reservation pays for the next one.
      if (open !== undefined && open.meter.usage() === undefined) return open
      if (open !== undefined) await open.settle()
      open = await begin()
      return open
    },
    settle,
  }

  async function settle(): Promise<void> {
    await open?.settle()
  }

  async function begin(): Promise<NonNullable<typeof open>> {
    let meter: MeteredCall | undefined
    const reservation =
      spending &&
      (await spending.reserve({
        model,
        maxTokens: wanted,
        isOpenEnded: measurement.billed.isOpenEnded,
        prompt: { most: measurement.billed.most(), likely: measurement.billed.unreported },
        longestReply: (limit) => longestReply(upstream, limit),
        isEndedHere: !upstream.enforcesMaxTokens,
        meter: { usage: () => meter?.usage() },
      }))
    const { maxTokens, settle } = reservation ?? { maxTokens: wanted, settle: async () => {} }
    const isLimited = spending !== undefined && maxTokens !== undefined && !upstream.enforcesMaxTokens
    meter = callMeter({
      upstream: upstream.id,
      model: model.id,
      inputTokens: measurement.billed.unreported,
      countTokens: measurement.countText,
      limit: isLimited ? replyLimit(maxTokens) : undefined,
    })
    onCall(meter)
    // The longest reply of the model is no reduction.
    if (maxTokens !== undefined && maxTokens !== (wanted ?? model.maxOutputTokens)) {
      annotate(`max_tokens ${wanted ?? 'of the model'} cut to ${maxTokens}: the budget of the key pays for no more`)
      onIgnored('max_tokens')
    }
    return { maxTokens, meter, settle }
  }
}
