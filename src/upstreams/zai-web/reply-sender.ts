import type { Delta } from '../../core/events.ts'
import { parseJson } from '../../core/json.ts'
import { citations } from './citations.ts'
import type { MessagePiece } from './release-buffer.ts'
import { blockTool, type RanTool, sourcesIn } from './server-tools.ts'
import { type ToolSenderOptions, toolSender } from './tool-sender.ts'

/** Sends what was read from the message as deltas, with links in place of citation marks (citations.ts). */
export interface ReplySender {
  send(pieces: readonly MessagePiece[], out: Delta[]): void
  /** Sends a call. An id that another call already has is left out. */
  sendCall(call: RanTool, out: Delta[]): void
  /** Reads the sources in the result of a call, for the marks that name them. */
  learn(result: string): RanTool['sources']
  /** Sends text that was held because a mark might have begun in it. */
  end(out: Delta[]): void
  /** Reasoning, text or a call for the client was sent. */
  readonly hasContent: boolean
}

export function replySender(
  options: ToolSenderOptions,
  { annotate, onLostCall }: { annotate: (note: string) => void; onLostCall: () => void },
): ReplySender {
  const marks = citations()
  const tools = toolSender(options)
  // Results with sources so far: citation marks name the number of the result.
  let rounds = 0
  let reasoned = false
  // Text or a call for the client was sent.
  let answered = false

  return {
    send(pieces, out) {
      for (const piece of pieces) {
        switch (piece.type) {
          case 'text':
            sendText(marks.push(piece.text), out)
            break
          case 'reasoning':
            reasoned = true
            out.push(piece)
            break
          case 'block':
            sendBlock(piece.json, out)
            break
          default:
            piece satisfies never
        }
      }
    },
    sendCall: (call, out) => sendTool(tools.hasSent(call.id) ? { ...call, id: '' } : call, out),
    learn(result) {
      const sources = sourcesIn(result, rounds++)
      marks.learn(sources)
      return sources
    },
    end: (out) => sendText(marks.end(), out),
    get hasContent() {
      return answered || reasoned
    },
  }

  function sendText(text: string, out: Delta[]): void {
    if (text === '') return
    answered ||= text.trim() !== ''
    out.push({ type: 'text', text })
  }

  function sendBlock(json: string, out: Delta[]): void {
    const tool = blockTool(json, rounds)
    if (!tool) {
      // The block of a tool that the backend has run may be dropped: it only shows what the answer is based on. A call
      // of one of the client's tools may not.
      const name = nameIn(json)
      if (name !== undefined && options.declaredTools.has(name)) onLostCall()
      else annotate('skipped an unreadable tool block')
      return
    }
    if (tool.sources.length > 0) rounds++
    marks.learn(tool.sources)
    sendTool(tool, out)
  }

  function sendTool(tool: RanTool, out: Delta[]): void {
    if (tools.send(tool, out)) answered = true
  }
}

/**
 * The name of the tool in a block that is not JSON. It is in front of the arguments and the result, in which anything may
 * be called `name`.
 */
function nameIn(block: string): string | undefined {
  const [, quoted = ''] = /"name"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(block) ?? []
  const name = parseJson(quoted)
  return typeof name === 'string' ? name : undefined
}
