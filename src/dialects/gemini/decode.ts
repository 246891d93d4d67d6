import type { Decoded } from '../../core/dialect.ts'
import type { RequestContext } from '../../core/dialect-route.ts'
import { invalidField } from '../../core/errors.ts'
import { longestModelName } from '../../core/model-name.ts'
import type { StreamFormat } from '../../core/reply-encoder.ts'
import type { OutputFormat } from '../../core/request.ts'
import { fieldsOf, isFields } from '../openai/json-fields.ts'
import { decodeConversation, systemMessages } from './conversation.ts'
import { readContents } from './conversation-entries.ts'
import type { GeminiOptions } from './encode.ts'
import { ignoredOptions } from './ignored.ts'
import { jsonSchemaOf } from './json-schema.ts'
import { decodeReasoning } from './reasoning.ts'
import type { GeminiBody, GenerationConfig } from './schema.ts'
import { inCamelCase } from './spelling.ts'
import { decodeTools } from './tools.ts'

/** The route of streams, which `decode` recognises. */
export const streamPath = '/models/:model+:streamGenerateContent'

/** A stream without `alt=sse` is one JSON array, into which line breaks may be put between two members. */
const jsonArray: StreamFormat = { contentType: 'application/json; charset=utf-8', keepAlive: '\n' }

/**
 * Decodes a body of Google's Gemini API, with its members in camel case or in snake case. The path names the model and
 * says whether the reply is streamed.
 *
 * Errors: `invalid-request` for an empty conversation, for more than one candidate, for references to what is stored at
 * Google, and for files in the newest content that cannot be read.
 */
export function decode(sent: GeminiBody, { params, path, query }: RequestContext): Decoded<GeminiOptions> {
  const { generateContentRequest, ...own } = inCamelCase(sent)
  const body: GeminiBody = generateContentRequest ?? own
  rejectUnsupported(body)
  const isStream = path === streamPath
  const isArray = isStream && !isServerSentEvents(query)
  const ignored = new Set<string>()
  const onIgnored = (name: string) => void ignored.add(name)
  const contents = readContents(body.contents, onIgnored)
  if (contents.length === 0) throw invalidField('contents', 'at least one content is required.')
  const config: GenerationConfig = body.generationConfig ?? {}
  const { reasoning, ignored: ignoredReasoning } = decodeReasoning(config.thinkingConfig)
  const { tools, toolChoice, search, searchRules, ignored: ignoredTools } = decodeTools(body)
  const messages = [...systemMessages(body.systemInstruction, onIgnored), ...decodeConversation(contents, onIgnored)]
  const stop = config.stopSequences?.filter((sequence) => sequence !== '') ?? []
  return {
    request: {
      model: modelOf(params.model ?? ''),
      messages,
      tools,
      toolChoice,
      parallelToolCalls: true,
      sampling: {
        temperature: config.temperature ?? undefined,
        topP: config.topP ?? undefined,
        // 0 is no limit, as for every number of Google's APIs.
        maxTokens: config.maxOutputTokens || undefined,
        stop: stop.length > 0 ? stop : undefined,
      },
      reasoning,
      output: outputOf(config),
      search,
      searchRules,
      ignored: [...ignoredTools, ...ignored, ...ignoredOptions(body), ...ignoredReasoning],
    },
    options: {
      showsThoughts: config.thinkingConfig?.includeThoughts === true,
      ...(isArray ? { isArray } : {}),
      ...(isEnum(config) ? { isEnum: true } : {}),
    },
    stream: isStream,
    ...(isArray ? { streamFormat: jsonArray } : {}),
  }
}

function rejectUnsupported({ cachedContent, continuationToken, generationConfig }: GeminiBody): void {
  if (cachedContent) throw invalidField('cachedContent', 'nothing is stored here; send the whole content.')
  if (continuationToken) throw invalidField('continuationToken', 'no reply is continued here; send a new request.')
  if ((generationConfig?.candidateCount ?? 1) > 1)
    throw invalidField('generationConfig.candidateCount', 'this server gives one candidate a request.')
}

function isServerSentEvents({ alt, $alt = alt }: RequestContext['query']): boolean {
  if ($alt === undefined || $alt === '' || $alt === 'json') return false
  if ($alt === 'sse') return true
  throw invalidField('alt', 'expected sse or json.')
}

function modelOf(name: string): string {
  if (name.length <= longestModelName) return name
  throw invalidField('model', `expected at most ${longestModelName} characters, got ${name.length}`)
}

const enumType = 'text/x.enum'

/** One of the values of a schema, as bare text. Without a schema it is any text. */
function isEnum(config: GenerationConfig): boolean {
  return typeOf(config) === enumType && schemaOf(config) !== undefined
}

function outputOf(config: GenerationConfig): OutputFormat {
  const [type, schema] = [typeOf(config), schemaOf(config)]
  if (type === enumType) return schema === undefined ? { type: 'text' } : { type: 'json', schema }
  if (type !== 'application/json' && (type || schema === undefined)) return { type: 'text' }
  return { type: 'json', schema }
}

function typeOf({ responseMimeType, responseFormat }: GenerationConfig): unknown {
  return responseMimeType || textFormat(responseFormat)?.mimeType
}

function schemaOf({ responseSchema, responseJsonSchema, responseFormat }: GenerationConfig) {
  const given = responseJsonSchema ?? textFormat(responseFormat)?.schema
  return isFields(given) ? given : responseSchema ? jsonSchemaOf(responseSchema) : undefined
}

function textFormat(responseFormat: GenerationConfig['responseFormat']) {
  return [responseFormat]
    .flat()
    .map((each) => fieldsOf(fieldsOf(each).text))
    .find(({ mimeType }) => mimeType)
}
