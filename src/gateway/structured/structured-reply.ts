import { type BatchStream, fromAsync, readBatch } from '../../core/batch-stream.ts'
import { asGatewayError, GatewayError } from '../../core/errors.ts'
import type { Delta, Usage } from '../../core/events.ts'
import { usageSum } from '../../core/usage-counts.ts'
import type { AnswerVerdict } from './validate-answer.ts'

export interface StructuredReplyOptions {
  validateText(answer: string): Promise<AnswerVerdict>
  /** Asks the upstream for a corrected answer. */
  again(answer: string, violations: readonly string[]): Promise<RepairRound>
  /** The usage of the first round if the upstream does not report it. `output` is everything the model wrote. */
  estimate(output: string): Usage
  annotate: (note: string) => void
}

/** A second call to the upstream. */
export interface RepairRound {
  deltas: BatchStream<Delta[]>
  estimate(output: string): Usage
}

/** The answer of one round so far. */
interface RoundResult {
  text: string
  /** The answer and the reasoning, for the estimate. */
  output: string
  usage: Usage | undefined
  /** `undefined` while the round is running. */
  end: Extract<Delta, { type: 'finish' | 'error' }> | undefined
}

/**
 * A reply whose text has to be JSON that fits a schema. The text is held back until it is complete and valid. For an
 * invalid one, a corrected answer is requested once, and the usage is the sum of both rounds. Reasoning passes at once.
 *
 * A reply with tool calls passes unchecked, because it is not the final answer. So does a reply that was cut, which its
 * finish reason shows. Errors: `upstream-malformed` with code `structured_output_invalid` if the second answer is
 * invalid, too.
 */
export function structuredReply(stream: BatchStream<Delta[]>, options: StructuredReplyOptions): BatchStream<Delta[]> {
  const { validateText, again, estimate, annotate } = options
  const first: RoundResult = { text: '', output: '', usage: undefined, end: undefined }
  let mode: 'holding' | 'passing' | 'over' = 'holding'
  let current = stream

  return fromAsync<Delta>(next, () => {
    mode = 'over'
    current.cancel()
  })

  async function next(): Promise<Delta[] | undefined> {
    while (mode === 'holding') {
      const batch = await readBatch(current)
      // The stream ended without a finish. The stream normaliser reports that as a cut reply.
      if (batch === undefined) return undefined
      const out = batch.flatMap(hold)
      if (first.end !== undefined && mode === 'holding') out.push(...(await settle(first.end)))
      if (out.length > 0) return out
    }
    return mode === 'passing' ? readBatch(current) : undefined
  }

  function hold(delta: Delta): Delta[] {
    if (mode === 'passing') return [delta]
    if (first.end !== undefined) return []
    if (delta.type === 'tool-call') {
      mode = 'passing'
      return [...held(), delta]
    }
    account(first, delta)
    return delta.type === 'reasoning' || delta.type === 'server-tool' ? [delta] : []
  }

  function held(usage = first.usage): Delta[] {
    return [
      ...(first.text === '' ? [] : [{ type: 'text' as const, text: first.text }]),
      ...(usage === undefined ? [] : [{ type: 'usage' as const, usage }]),
    ]
  }

  async function settle(end: NonNullable<RoundResult['end']>): Promise<Delta[]> {
    if (end.type === 'error' || end.reason !== 'stop') {
      mode = 'over'
      return [...held(), end]
    }
    const verdict = await validateText(first.text)
    if ('violations' in verdict) return repair(verdict.violations)
    mode = 'over'
    first.text = verdict.text
    return [...held(), end]
  }

  async function repair(violations: readonly string[]): Promise<Delta[]> {
    annotate(`repair round: ${violations[0]}`)
    const { second, usage } = await secondRound(violations)
    if (mode === 'over') return []
    mode = 'over'
    const verdict =
      second.end?.type === 'finish' && second.end.reason === 'stop' ? await validateText(second.text) : undefined
    if (verdict === undefined || 'violations' in verdict) {
      if (second.end?.type === 'error') annotate(`repair round failed: ${second.end.error.code}`)
      // Both rounds are billed, whatever their answers are worth.
      return [
        { type: 'usage', usage },
        { type: 'error', error: invalid(verdict?.violations[0] ?? violations[0]) },
      ]
    }
    return [
      { type: 'text', text: verdict.text },
      { type: 'usage', usage },
      { type: 'finish', reason: 'stop' },
    ]
  }

  async function secondRound(violations: readonly string[]): Promise<{ second: RoundResult; usage: Usage }> {
    const second: RoundResult = { text: '', output: '', usage: undefined, end: undefined }
    current.cancel()
    const before = first.usage ?? estimate(first.output)
    try {
      const round = await again(first.text, violations)
      current = round.deltas
      if (mode === 'over') current.cancel()
      for (let batch = await readBatch(current); batch && !second.end; batch = await readBatch(current))
        for (const delta of batch) account(second, delta)
      return { second, usage: usageSum(before, second.usage ?? round.estimate(second.output)) }
    } catch (thrown) {
      second.end = { type: 'error', error: asGatewayError(thrown) }
      return { second, usage: before }
    } finally {
      current.cancel()
    }
  }
}

function account(result: RoundResult, delta: Delta): void {
  switch (delta.type) {
    case 'text':
      result.text += delta.text
      result.output += delta.text
      break
    case 'reasoning':
      result.output += delta.text
      break
    case 'usage':
      result.usage = delta.usage
      break
    case 'finish':
    case 'error':
      result.end ??= delta
      break
    case 'tool-call':
    case 'server-tool':
      break // not part of the answer
    default:
      delta satisfies never
  }
}

function invalid(violation = 'the answer is not JSON'): GatewayError {
  return new GatewayError(
    'upstream-malformed',
    `The model did not answer in the JSON that was asked for, twice: ${violation}. Try again, or simplify the schema.`,
    // The gateway has already tried twice.
    { code: 'structured_output_invalid', retry: false },
  )
}
