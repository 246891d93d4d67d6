import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Dialect } from '../../src/core/dialect.ts'
import type { Upstream } from '../../src/core/upstream.ts'
import { anthropicMessages } from '../../src/dialects/anthropic-messages/index.ts'
import { gemini } from '../../src/dialects/gemini/index.ts'
import { ollamaChat, ollamaGenerate } from '../../src/dialects/ollama/index.ts'
import { openaiChat } from '../../src/dialects/openai-chat/index.ts'
import { openaiCompletions } from '../../src/dialects/openai-completions/index.ts'
import { openaiResponses } from '../../src/dialects/openai-responses/index.ts'
import { documentedPath } from '../../src/http/base-paths.ts'
import { type CredentialSource, zaiWeb } from '../../src/upstreams/zai-web/index.ts'
import { apiUpstream } from './api-upstream.ts'
import { chatZai, completionRoute, eventStream, webDefaults } from './chat-zai.ts'
import { manualClock } from './clock.ts'
import { reusableApp } from './gateway.ts'
import { inPieces } from './pieces.ts'
import { lending, nobodyWaits } from './pool.ts'
import { origin, scriptedApi } from './zai-api.ts'

export const goldenRoot = join(import.meta.dir, '../golden')

/** Golden cases of one upstream, by folder name. */
export function casesOf(upstream: string): string[] {
  return readdirSync(join(goldenRoot, upstream)).sort()
}

export function recording(upstream: string, name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(join(goldenRoot, upstream, name, 'upstream.sse')))
}

/** An upstream that answers every completion with the recording. */
export const replayed: Record<string, (bytes: Uint8Array<ArrayBuffer>, pieceSize: number) => Upstream> = {
  'zai-web': (bytes, pieceSize) => {
    const site = chatZai()
    // At most one retry for each recovery, so there are more replies than attempts.
    for (let attempt = 0; attempt < 5; attempt++)
      site.script(completionRoute, () => eventStream(inPieces(bytes, pieceSize)))
    const clock = manualClock()
    // The clock does not move, so nothing waits for it.
    const loan = lending<CredentialSource>(clock, nobodyWaits)
    return zaiWeb(webDefaults, { ...loan, fetch: site.fetch, clock, newUuid: () => crypto.randomUUID(), log: () => {} })
  },
  'zai-api': (bytes, pieceSize) => {
    const { fetch } = scriptedApi(['key-1'], () => eventStream(inPieces(bytes, pieceSize)))
    return apiUpstream({ origin, key: 'key-1', fetch, idleMs: 120_000, clock: manualClock(), queue: nobodyWaits })
  },
}

/** The tools the recordings were made with: `fixtures/README.md` of the protocol notes. */
const declared = [
  {
    name: 'get_weather',
    description: 'Weather of a city',
    properties: { city: { type: 'string' }, unit: { type: 'string' } },
    required: ['city'],
  },
  { name: 'bash', description: 'Runs a command', properties: { command: { type: 'string' } }, required: ['command'] },
  {
    name: 'search_docs',
    description: 'Searches the documentation',
    properties: { query: { type: 'string' } },
    required: ['query'],
  },
]

interface Asking {
  dialect: Dialect
  body: object
  /** Where the path says whether the reply is streamed, and not the body. */
  paths?: { whole: string; streamed: string }
}

/**
 * Each dialect asking the same question. Reasoning is wanted, tools are declared where the recording has calls, a web
 * search is asked for where it has one.
 */
export const askings: Record<string, (tools: boolean, search: boolean) => Asking> = {
  'openai-chat': (tools, search) => ({
    dialect: openaiChat,
    body: {
      model: 'glm-4.7',
      messages: [{ role: 'user', content: 'Hello, GLM!' }],
      thinking: { type: 'enabled' },
      stream_options: { include_usage: true },
      ...(search ? { web_search_options: {} } : {}),
      ...(tools
        ? {
            tools: declared.map(({ name, description, properties, required }) => ({
              type: 'function',
              function: { name, description, parameters: { type: 'object', properties, required } },
            })),
          }
        : {}),
    },
  }),
  'anthropic-messages': (tools, search) => ({
    dialect: anthropicMessages,
    body: {
      model: 'glm-4.7',
      max_tokens: 4096,
      messages: [{ role: 'user', content: 'Hello, GLM!' }],
      thinking: { type: 'enabled', budget_tokens: 1024 },
      ...(tools
        ? {
            tools: declared.map(({ name, description, properties, required }) => ({
              name,
              description,
              input_schema: { type: 'object', properties, required },
            })),
          }
        : {}),
      ...(search ? { tools: [{ type: 'web_search_20250305', name: 'web_search' }] } : {}),
    },
  }),
  // The dialect has no reasoning, tools and searches: those in a recording must not get into its text.
  'openai-completions': () => ({
    dialect: openaiCompletions,
    body: { model: 'glm-4.7', prompt: 'Hello, GLM!', stream_options: { include_usage: true } },
  }),
  'ollama-chat': (tools) => ({
    dialect: ollamaChat,
    body: {
      model: 'glm-4.7',
      messages: [{ role: 'user', content: 'Hello, GLM!' }],
      think: true,
      ...(tools
        ? {
            tools: declared.map(({ name, description, properties, required }) => ({
              type: 'function',
              function: { name, description, parameters: { type: 'object', properties, required } },
            })),
          }
        : {}),
    },
  }),
  'ollama-generate': () => ({
    dialect: ollamaGenerate,
    body: { model: 'glm-4.7', prompt: 'Hello, GLM!', think: true },
  }),
  'openai-responses': (tools, search) => ({
    dialect: openaiResponses,
    body: {
      model: 'glm-4.7',
      input: 'Hello, GLM!',
      reasoning: { effort: 'high', summary: 'auto' },
      ...(tools
        ? {
            tools: declared.map(({ name, description, properties, required }) => ({
              type: 'function',
              name,
              description,
              parameters: { type: 'object', properties, required },
            })),
          }
        : {}),
      ...(search ? { tools: [{ type: 'web_search' }] } : {}),
    },
  }),
  gemini: (tools, search) => ({
    dialect: gemini,
    paths: {
      whole: '/v1beta/models/glm-4.7:generateContent',
      streamed: '/v1beta/models/glm-4.7:streamGenerateContent?alt=sse',
    },
    body: {
      contents: [{ role: 'user', parts: [{ text: 'Hello, GLM!' }] }],
      generationConfig: { thinkingConfig: { includeThoughts: true } },
      ...(tools
        ? {
            tools: [
              {
                functionDeclarations: declared.map(({ name, description, properties, required }) => ({
                  name,
                  description,
                  parametersJsonSchema: { type: 'object', properties, required },
                })),
              },
            ],
          }
        : {}),
      ...(search ? { tools: [{ googleSearch: {} }] } : {}),
    },
  }),
}

/** The name of the golden with a stream: `openai-chat.sse`. */
export function streamFile(dialectId: string): string {
  const contentType = askings[dialectId]?.(false, false).dialect.stream.contentType ?? ''
  return `${dialectId}.${contentType.startsWith('text/event-stream') ? 'sse' : 'ndjson'}`
}

const apps = reusableApp()

/**
 * What a client of the dialect gets for a recording: the whole HTTP answer as text, a status line in front when it
 * is not 200. Ids count up, and the clock and the durations in the reply are written as 0.
 */
export async function transcript(
  upstream: string,
  name: string,
  dialectId: string,
  stream: boolean,
  pieceSize = Number.MAX_SAFE_INTEGER,
): Promise<string> {
  const asking = askings[dialectId]?.(/tool/.test(name), /search/.test(name))
  const replay = replayed[upstream]
  if (!asking || !replay) throw new Error(`no golden asking for ${dialectId} on ${upstream}`)
  const { dialect, body, paths } = asking
  const path = paths ? paths[stream ? 'streamed' : 'whole'] : documentedPath(dialect, dialect.routes[0]?.path ?? '')
  const response = await apps.inFrontOf([replay(recording(upstream, name), pieceSize)]).handle(
    new Request(`http://localhost${path}`, {
      method: 'POST',
      body: JSON.stringify(paths ? body : { ...body, stream }),
    }),
  )
  const text = (await response.text())
    .replaceAll(/"(created|created_at|completed_at|\w+_duration)":\d+/g, '"$1":0')
    .replaceAll(/"created_at":"[\d:.TZ-]+"/g, '"created_at":"0"')
  const shown = stream && response.ok ? text : `${JSON.stringify(JSON.parse(text), undefined, 2)}\n`
  return response.ok ? shown : `HTTP ${response.status}\n${shown}`
}
