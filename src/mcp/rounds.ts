import type { DirectWriter } from '../core/batch-stream.ts'
import { asGatewayError } from '../core/errors.ts'
import type { ReplyDelta, StreamEvent } from '../core/events.ts'
import type { McpCall } from '../core/mcp.ts'
import type { ReplyStream } from '../core/pipeline.ts'
import type { AssistantPart, ChatRequest, Message } from '../core/request.ts'
import type { HostedTools } from './hosted-tools.ts'
import { type McpRound, type ReplyAssembler, replyAssembler } from './reply-assembler.ts'
import { partsOf, refused } from './result.ts'

export interface RoundOptions {
  hosted: HostedTools
  /** The request of the first round, with all tools of the servers. */
  request: () => ChatRequest
  /** Most rounds after which tools are called. */
  most: number
  /** Requests another round from an upstream. Errors: GatewayError. */
  startRound: (request: ChatRequest) => Promise<ReplyStream>
  annotate: (note: string) => void
}

/**
 * A reply of several rounds. Each round is a whole reply of an upstream, to which the gateway applies all of its rules.
 * Between two rounds, the calls of the first one run, and their results are added to the conversation of the second
 * one.
 *
 * The reply ends with a round that calls no tool of a server, or that also calls a tool of the client or a tool that
 * needs approval. In the latter case, the calls that need no approval are run before the end.
 */
export function rounds(first: ReplyStream, options: RoundOptions): ReplyStream {
  const { hosted, annotate } = options
  const { maxTokens } = options.request().sampling
  const assembler = replyAssembler({ hosted, maxTokens })
  let current = first
  let number = 1
  // Whether the servers' tools are withheld, because the model has reached a limit of calls.
  let isLast = false
  let added: Message[] = []
  let between: AsyncGenerator<ReplyDelta[], void> | undefined
  let isCancelled = false

  return {
    first: first.first,
    rest: {
      next(onBatch, direct?: DirectWriter) {
        if (assembler.round().isOver) nextBetween(onBatch)
        else current.rest.next(onBatch, direct)
      },
      cancel() {
        isCancelled = true
        current.rest.cancel()
        hosted.close()
      },
    },
    transform: {
      push(delta, out) {
        if (delta.type === 'mcp-start' || delta.type === 'mcp-end') assembler.step(delta, out)
        else if (assembler.round().isOver) endWith(delta, assembler, out)
        else writeInto(out, (events) => current.transform.push(delta, events))
      },
      end: (out) => writeInto(out, (events) => current.transform.end(events)),
      passthrough: (kind) => (assembler.round().isOver ? false : (current.transform.passthrough?.(kind) ?? false)),
      pending: () => current.transform.pending?.(),
      resume: (out) => writeInto(out, (events) => current.transform.resume?.(events)),
    },
  }

  function writeInto(out: StreamEvent[], run: (events: StreamEvent[]) => void): void {
    const events: StreamEvent[] = []
    run(events)
    for (const event of events) assembler.push(event, out)
  }

  function nextBetween(onBatch: (batch: ReplyDelta[] | undefined) => void): void {
    between ??= runBetween()
    between.next().then(
      ({ value }) => onBatch(value ?? undefined),
      (thrown) => onBatch([{ type: 'error', error: asGatewayError(thrown) }]),
    )
  }

  /** Runs the calls of a round, and begins the next one. */
  async function* runBetween(): AsyncGenerator<ReplyDelta[], void> {
    current.rest.cancel()
    const round = assembler.round()
    const limit =
      hosted.exhausted() ??
      (number > options.most
        ? `${options.most} ${options.most === 1 ? 'round' : 'rounds'} (MCP_MAX_ROUNDS)`
        : undefined)
    if (limit !== undefined) annotate(`MCP calls refused: the limit of ${limit} is reached`)
    const messages: Message[] = [{ role: 'assistant', parts: assistantParts(round) }]
    // All calls run at the same time, but are shown one after the other, because an encoder has one open block at a
    // time.
    const running = round.calls.map((call) => ({ call, finished: limit === undefined ? hosted.run(call) : undefined }))
    for (const { finished } of running) finished?.catch(() => {}) // awaited below, in order
    for (const { call, finished } of running) {
      const begun = startedCall(call, hosted)
      yield [{ type: 'mcp-start', item: begun }]
      const { result } = refused(limit ?? '')
      const done = (await finished) ?? { call: { ...begun, result }, parts: partsOf(result, []) }
      messages.push({ role: 'tool', callId: call.id, parts: done.parts, isError: isFailed(done.call) })
      yield [{ type: 'mcp-end', item: done.call }]
    }
    if (round.isLast) {
      yield [{ type: 'finish', reason: 'stop' }]
      return
    }
    added = [...added, ...messages]
    number++
    isLast = limit !== undefined
    const next = await options.startRound(nextRequest())
    current = next
    if (isCancelled) next.rest.cancel()
    assembler.begin(isLast)
    between = undefined
    yield next.first
  }

  function nextRequest(): ChatRequest {
    const { mcp: _, ...request } = options.request()
    const left = maxTokens === undefined ? undefined : Math.max(1, maxTokens - assembler.outputTokens())
    const tools = isLast ? request.tools.filter(({ name }) => hosted.toolOf(name) === undefined) : request.tools
    return {
      ...request,
      tools,
      messages: [...request.messages, ...added],
      // A required call was made in the first round. If the requirement stayed, the reply would never end.
      toolChoice: request.toolChoice === 'none' ? 'none' : 'auto',
      sampling: { ...request.sampling, maxTokens: left },
      ignored: [],
    }
  }
}

/** Ends a reply between two rounds, where no upstream is involved. */
function endWith(delta: ReplyDelta, assembler: ReplyAssembler, out: StreamEvent[]): void {
  if (delta.type === 'error') assembler.push({ type: 'error', error: delta.error }, out)
  if (delta.type === 'finish') assembler.finish(out)
}

function assistantParts({ parts, calls }: McpRound): AssistantPart[] {
  return [...parts, ...calls.map((call): AssistantPart => ({ type: 'tool-call', ...call }))]
}

function startedCall({ id, name, arguments: args }: McpRound['calls'][number], hosted: HostedTools): McpCall {
  const found = hosted.toolOf(name)
  return { type: 'call', id, server: found?.server.label ?? '', tool: found?.tool.name ?? name, arguments: args }
}

function isFailed({ result }: McpCall): boolean {
  return result !== undefined && 'error' in result
}
