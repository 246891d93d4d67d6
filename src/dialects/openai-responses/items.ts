import { type Citation, citationFinder } from '../../core/citations.ts'
import { decodeEchoed, encodeEchoed } from '../../core/echoed-text.ts'
import type { ReplyBlock, ServerTool } from '../../core/events.ts'
import type { ReplyHead } from '../../core/reply-encoder.ts'
import { customInput, parsed } from '../openai/custom-input.ts'
import { type Fields, fieldsOf, listOf, textOr } from '../openai/json-fields.ts'
import { compactionItem } from './compaction.ts'
import { mcpItem } from './mcp-items.ts'
import type { ResponsesOptions } from './response.ts'
import type { ToolOrigin } from './tools.ts'

/** An output item: a message, a reasoning, a call. */
export type Item = Record<string, unknown> & { content?: TextPart[] }

interface TextPart {
  type: 'output_text' | 'reasoning_text'
  text: string
}

const itemPrefixOf = {
  text: 'msg_',
  reasoning: 'rs_',
  function: 'fc_',
  custom: 'ctc_',
  local_shell: 'lsh_',
  shell: 'sh_',
  apply_patch: 'apc_',
  tool_search: 'tsc_',
  'server-tool': 'ws_',
  mcp: 'mcp_',
  compaction: 'cmp_',
} satisfies Record<Exclude<ReplyBlock['type'], 'tool-call'> | ToolOrigin['type'] | 'compaction', string>

export type OutputItems = ReturnType<typeof outputItems>

/**
 * Blocks as output items, in the order of the blocks. Calls become calls of the tools that the client declared, and
 * text cites the pages of the searches before it.
 */
export function outputItems(head: ReplyHead, options: ResponsesOptions) {
  const origins = new Map(options.origins)
  const pages = citationFinder()
  const originOf = (name: string): ToolOrigin => origins.get(name) ?? { type: 'function', name }

  const kindOf = (type: ReplyBlock['type'], name: string) => {
    if (type === 'tool-call') return originOf(name).type
    return type === 'text' && options.compaction ? 'compaction' : type
  }
  const idOf = (index: number, type: ReplyBlock['type'], name = ''): string =>
    `${itemPrefixOf[kindOf(type, name)]}${itemKey(head.id, index)}`

  /** An item before its first delta. */
  const started = (index: number, block: ReplyBlock): Item => {
    const begun = item(index, block, 'in_progress')
    if (block.type === 'mcp') return withoutContent(begun)
    if (block.type === 'text') return options.compaction ? begun : { ...begun, content: [] }
    if (block.type !== 'reasoning') return begun
    return options.summarises ? { ...begun, summary: [] } : { ...begun, content: [] }
  }

  const item = (index: number, block: ReplyBlock, status: string): Item => {
    switch (block.type) {
      case 'text':
        if (options.compaction) return compactionItem(idOf(index, 'text'), block.text)
        pages.restart()
        return {
          id: idOf(index, 'text'),
          type: 'message',
          status,
          role: 'assistant',
          content: [textPart(block.text, pages.push(block.text))],
        }
      case 'reasoning':
        return {
          id: idOf(index, 'reasoning'),
          type: 'reasoning',
          ...(options.summarises
            ? { summary: [summaryPart(block.text)] }
            : { summary: [], content: [reasoningPart(block.text)] }),
          ...(options.includesEncryptedReasoning && status !== 'in_progress'
            ? { encrypted_content: encodeEchoed(block.text) }
            : {}),
        }
      case 'tool-call':
        return {
          id: idOf(index, 'tool-call', block.name),
          ...callItem(block.arguments, originOf(block.name)),
          call_id: block.id,
          status: callStatus(status, originOf(block.name)),
        }
      case 'server-tool':
        pages.learn(block.tool.sources)
        return {
          id: idOf(index, 'server-tool'),
          type: 'web_search_call',
          // The upstream reports a search when it has ended, so a reply is never cut inside one.
          status: status === 'in_progress' ? status : 'completed',
          action: searchAction(block.tool, options.listsSources && status !== 'in_progress'),
        }
      case 'mcp':
        return mcpItem(block.item, itemKey(head.id, index))
      default:
        return block satisfies never
    }
  }

  return { originOf, idOf, started, item }
}

/** The list of a server, or the arguments of a call, come with later events. */
function withoutContent(begun: Item): Item {
  if (begun.type === 'mcp_list_tools') return { ...begun, tools: [] }
  return begun.type === 'mcp_call' ? { ...begun, arguments: '' } : begun
}

/** A patch call has no status for an incomplete one, and must not look finished. */
function callStatus(status: string, { type }: ToolOrigin): string {
  return type === 'apply_patch' && status === 'incomplete' ? 'in_progress' : status
}

/** Without arguments the call has only begun. */
function callItem(args: string, origin: ToolOrigin): Item {
  switch (origin.type) {
    case 'function': {
      const { type: _, ...called } = origin
      return { type: 'function_call', ...called, arguments: args }
    }
    case 'custom': {
      const { type: _, ...called } = origin
      return { type: 'custom_tool_call', ...called, input: customInput(args) }
    }
    case 'local_shell':
      return { type: 'local_shell_call', action: localShellAction(parsed(args) ?? {}) }
    case 'shell':
      return { type: 'shell_call', action: shellAction(parsed(args) ?? {}), environment: { type: 'local' } }
    case 'apply_patch':
      return { type: 'apply_patch_call', operation: patchOperation(parsed(args) ?? {}) }
    case 'tool_search':
      return { type: 'tool_search_call', execution: 'client', arguments: parsed(args) ?? {} }
    default:
      return origin satisfies never
  }
}

function localShellAction({ command, workdir, timeout_ms, env }: Record<string, unknown>): object {
  return {
    type: 'exec',
    // A model may write a single command as a text instead of a list.
    command: typeof command === 'string' ? ['bash', '-lc', command] : (command ?? []),
    env: env ?? {},
    timeout_ms: timeout_ms ?? null,
    user: null,
    working_directory: workdir ?? null,
  }
}

function shellAction({ commands, timeout_ms, max_output_length }: Record<string, unknown>): object {
  return {
    commands: typeof commands === 'string' ? [commands] : (commands ?? []),
    timeout_ms: timeout_ms ?? null,
    max_output_length: max_output_length ?? null,
  }
}

/** A call that was cut still needs an operation, which names no file. */
function patchOperation({ type = 'update_file', path = '', diff = '' }: Record<string, unknown>): object {
  return type === 'delete_file' ? { type, path } : { type, path, diff }
}

function searchAction({ query = '', sources }: ServerTool, listsSources: boolean): object {
  return {
    type: 'search',
    query,
    queries: [query],
    ...(listsSources ? { sources: sources.map(({ url }) => ({ type: 'url', url })) } : {}),
  }
}

export function textPart(text: string, cited: readonly Citation[] = []): TextPart & Record<string, unknown> {
  return { type: 'output_text', annotations: cited.map(annotation), logprobs: [], text }
}

export function annotation({ start, end, source: { title, url } }: Citation): object {
  return { type: 'url_citation', start_index: start, end_index: end, title: title || url, url }
}

export function reasoningPart(text: string): TextPart {
  return { type: 'reasoning_text', text }
}

/** The text of a whole output. */
export function outputText(items: readonly Item[]): string {
  const parts = items.flatMap(({ content }) => content ?? [])
  return parts.map(({ type, text }) => (type === 'output_text' ? text : '')).join('')
}

export function summaryPart(text: string): object {
  return { type: 'summary_text', text }
}

/**
 * The id of an item after its prefix. It contains the id of the response, so that a reference leads to where it is
 * stored.
 */
export function itemKey(replyId: string, index: number | string): string {
  return `${replyId.replace(/^resp_/, '')}_${index}`
}

/** The response that an item of the gateway belongs to; `undefined` for other items. */
export function replyIdOf(itemId: string): string | undefined {
  const key = /^[a-z]+_(.+)_i?\d+$/.exec(itemId)?.[1]
  return key === undefined ? undefined : `resp_${key}`
}

/**
 * The reasoning of an earlier reply: the gateway's own, or another server's in plain text. Encrypted or summarised
 * reasoning of another server is not used.
 */
export function reasoningOf({ id, summary, content, encrypted_content }: Fields): string {
  const echoed = textOr(encrypted_content)
  const own = decodeEchoed(echoed)
  if (own !== undefined) return own
  const plainText = joined(content)
  if (plainText !== '' || echoed) return plainText
  return replyIdOf(textOr(id)) ? joined(summary) : ''
}

function joined(parts: unknown): string {
  return listOf(parts)
    .map((part) => textOr(fieldsOf(part).text))
    .join('\n\n')
}
