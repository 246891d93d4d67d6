import { faultsOf } from './check.ts'

interface Types {
  whole: string
  /** Of a stream. */
  event?: string
  error: string
}

const openaiError = 'openai shared ErrorObject'
const anthropicError = 'anthropic shared ErrorResponse'
const chat = 'openai chat/completions/completions'
const responses = 'openai responses/responses'
const messages = 'anthropic messages/messages'
const batches = 'anthropic messages/batches'
const betaMessages = 'anthropic beta/messages/messages'
const completion = 'openai completions Completion'

/** What an answer is, by the end of the path it came from; where there are two types it has to be both. */
const kinds: readonly [path: RegExp, types: readonly Types[]][] = [
  [
    /chat\/completions$/,
    [{ whole: `${chat} ChatCompletion`, event: `${chat} ChatCompletionChunk`, error: openaiError }],
  ],
  [/completions$/, [{ whole: completion, event: completion, error: openaiError }]],
  [
    /responses\/input_tokens$/,
    [{ whole: 'openai responses/input-tokens InputTokenCountResponse', error: openaiError }],
  ],
  [
    /responses(?:\/resp_\w+)?$/,
    [{ whole: `${responses} Response`, event: `${responses} ResponseStreamEvent`, error: openaiError }],
  ],
  [
    /messages$/,
    [
      { whole: `${messages} Message`, event: `${messages} RawMessageStreamEvent`, error: anthropicError },
      {
        whole: `${betaMessages} BetaMessage`,
        event: `${betaMessages} BetaRawMessageStreamEvent`,
        error: anthropicError,
      },
    ],
  ],
  [/batches(?:\/\w+)?$/, [{ whole: `${batches} MessageBatch`, error: anthropicError }]],
  [/batches\/\w+\/results$/, [{ whole: `${batches} MessageBatchIndividualResponse`, error: anthropicError }]],
  // The package's types are not those of the wire: dates are texts there, and what the last line has is not in the others.
  [/api\/chat$/, []],
  [
    /count_tokens$/,
    [
      { whole: `${messages} MessageTokensCount`, error: anthropicError },
      { whole: `${betaMessages} BetaMessageTokensCount`, error: anthropicError },
    ],
  ],
]

/** What the types say and their own vendor does not do; each with the fault it makes. */
const known = [
  // There only for who asks for it (`thinking-token-count`), as the comment of the type has it.
  /must have required property 'estimated_tokens'/,
  // The status 413 of Anthropic's pages on errors; Claude Code knows by it that a conversation is too long.
  /"request_too_large"/,
  // Pieces of Completions, which share a type with the whole: OpenAI's examples of them have nulls.
  /^\/choices\/0\/finish_reason must be equal .*: stop,length,content_filter, not null$/,
  /^\/usage must be object, not null$/,
  // The words of the client, given back; the type knows no choice of the tool that newer models have no more.
  /^(?:\/response)?\/tool_choice must .*, not {"type":"local_shell"}$/,
]

/** What an answer, whole or as a stream, has not as the types of the official packages have it. */
export function replyFaults(path: string, text: string): string[] {
  if (/:\w+$/.test(path)) return geminiFaults(path, text)
  const [, types] = kinds.find(([end]) => end.test(path)) ?? []
  if (!types) throw new Error(`nothing is known of the answers of ${path}`)
  if (types.length === 0) return []
  const isStream = !text.trimStart().startsWith('{')
  // Only the beta's types know tools of MCP servers.
  const isBeta = /"mcp_tool_(?:use|result)"/.test(text)
  const values = isStream ? eventsOf(text) : [JSON.parse(text)]
  const held = isBeta && types.length > 1 ? types.slice(1) : types
  const faults = held.flatMap((type) => values.flatMap((value) => faultsOfOne(value, type, isStream)))
  return faults.filter((fault) => !known.some((words) => words.test(fault)))
}

function faultsOfOne(value: Record<string, unknown>, { whole, event, error }: Types, isStream: boolean): string[] {
  // The packages' parsers know this event, their types do not.
  if (isStream && value.type === 'ping') return []
  if (error === anthropicError && value.type === 'error') return faultsOf(value, error)
  // An error of OpenAI's is an object of its own; failed responses hold one, and have an id.
  if (error === openaiError && value.id === undefined && value.error) return faultsOf(value.error, error)
  return faultsOf(value, isStream && event ? event : whole)
}

/** The package has the parts of a reply as types; the whole as a class that holds the HTTP response, too. */
const geminiParts: readonly [member: string, type: string][] = [
  ['candidates', 'genai genai Candidate'],
  ['usageMetadata', 'genai genai GenerateContentResponseUsageMetadata'],
  ['promptFeedback', 'genai genai GenerateContentResponsePromptFeedback'],
]

function geminiFaults(path: string, text: string): string[] {
  const isEvents = text.startsWith('data: ')
  const values = isEvents ? eventsOf(text) : [JSON.parse(text)].flat()
  return values.flatMap((value) => {
    if (value.error) return googleErrorFaults(value.error)
    if (path.endsWith(':countTokens')) return typeof value.totalTokens === 'number' ? [] : ['no totalTokens']
    const parts = geminiParts.flatMap(([member, type]) =>
      [value[member] ?? []].flat().flatMap((part) => faultsOf(part, type).map((fault) => `${member}${fault}`)),
    )
    return Array.isArray(value.candidates) ? parts : [...parts, 'no candidates']
  })
}

/** The package has no type for it; its fields are those of google.rpc.Status. */
function googleErrorFaults(error: unknown): string[] {
  const { code, message, status, details } = { code: 0, message: 0, status: 0, details: 0, ...Object(error) }
  const isStatus = typeof code === 'number' && typeof message === 'string' && /^[A-Z_]+$/.test(String(status))
  return isStatus && Array.isArray(details) ? [] : [`no google.rpc.Status: ${JSON.stringify(error)}`]
}

function eventsOf(stream: string): Record<string, unknown>[] {
  return stream.split('\n').flatMap((line) => {
    if (!line.startsWith('data: ') || line === 'data: [DONE]') return []
    return [JSON.parse(line.slice('data: '.length))]
  })
}
