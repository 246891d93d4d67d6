import Anthropic from '@anthropic-ai/sdk'
import { type Ask, type Client, defaultModel, type Fetch, type Heard, replies, toolSchema } from './ask.ts'

const endings = { end_turn: 'stop', stop_sequence: 'stop', max_tokens: 'length', tool_use: 'calls' } as const

/** What ends messages of both kinds. */
interface Ending {
  stop_reason: string | null
  usage: { input_tokens: number; cache_read_input_tokens: number | null; output_tokens: number }
}

/** The @anthropic-ai/sdk package, on Messages. */
export function messagesClient(fetch: Fetch): Client {
  const anthropic = new Anthropic({ baseURL: 'http://localhost', apiKey: 'anything', maxRetries: 0, fetch })
  const own = replies<Anthropic.ContentBlock[]>()

  return {
    takesServers: true,
    async ask(ask, stream) {
      const body = bodyOf(ask)
      if (ask.server !== undefined) return betaReceived(await askWithServer(body, ask.server, stream))
      return received(await (stream ? anthropic.messages.stream(body).finalMessage() : anthropic.messages.create(body)))
    },
    async count(ask) {
      const { max_tokens: _, ...body } = bodyOf(ask)
      return (await anthropic.messages.countTokens(body)).input_tokens
    },
    async inBatch(ask) {
      const { batches } = anthropic.messages
      const { id } = await batches.create({ requests: [{ custom_id: 'one', params: bodyOf(ask) }] })
      while ((await batches.retrieve(id)).processing_status !== 'ended') await new Promise(setImmediate)
      const [line] = await Array.fromAsync(await batches.results(id))
      if (line?.result.type !== 'succeeded') throw new Error(`ended with ${JSON.stringify(line)}`)
      return received(line.result.message)
    },
  }

  /** These are of a beta, whose messages have types of their own. */
  function askWithServer(body: Anthropic.MessageCreateParamsNonStreaming, url: string, stream: boolean) {
    const { messages } = anthropic.beta
    const server = { type: 'url' as const, name: 'town', url }
    const params = { ...body, mcp_servers: [server], betas: ['mcp-client-2025-04-04'] }
    return stream ? messages.stream(params).finalMessage() : messages.create(params)
  }

  function betaReceived({ content, ...message }: Anthropic.Beta.BetaMessage): Heard {
    const texts = content.filter((block) => block.type === 'text')
    const results = content.filter((block) => block.type === 'mcp_tool_result')
    if (results.length === 0) throw new Error('no tool of a server was called')
    const own: Anthropic.TextBlock[] = texts.map(({ text }) => ({ type: 'text', text, citations: null }))
    return received({ content: own, stop_reason: message.stop_reason, usage: message.usage })
  }

  function received({ content, stop_reason: reason, usage }: Pick<Anthropic.Message, 'content'> & Ending): Heard {
    if (reason === null || !(reason in endings)) throw new Error(`ended with ${reason}`)
    return own.keep(
      {
        text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
        reasoning: content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
        calls: content.flatMap((block) =>
          block.type === 'tool_use' ? [{ id: block.id, name: block.name, args: JSON.stringify(block.input) }] : [],
        ),
        ended: endings[reason as keyof typeof endings],
        usage: { input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0), output: usage.output_tokens },
        sources: content.flatMap(sourcesOf),
      },
      content,
    )
  }

  function bodyOf(ask: Ask): Anthropic.MessageCreateParamsNonStreaming {
    const tools: Anthropic.ToolUnion[] = [
      ...(ask.tools ?? []).map((name) => ({ name, description: `Asks for ${name}`, input_schema: toolSchema })),
      ...(ask.searches ? [{ type: 'web_search_20250305' as const, name: 'web_search' as const }] : []),
    ]
    return {
      model: ask.model ?? defaultModel,
      max_tokens: ask.maxTokens ?? 4096,
      messages: ask.turns.map(messageOf),
      ...(ask.thinks ? { thinking: { type: 'enabled', budget_tokens: 1024 } } : {}),
      ...(tools.length > 0 ? { tools } : {}),
      ...(ask.choice
        ? { tool_choice: ask.choice === 'none' ? { type: 'none' } : { type: 'tool', ...ask.choice } }
        : {}),
      ...(ask.schema ? { output_config: { format: { type: 'json_schema', schema: ask.schema } } } : {}),
      ...(ask.stop === undefined ? {} : { stop_sequences: [ask.stop] }),
      ...(ask.temperature === undefined ? {} : { temperature: ask.temperature }),
      ...(ask.topP === undefined ? {} : { top_p: ask.topP }),
      ...ask.unheardOf,
    }
  }

  function messageOf(turn: Ask['turns'][number]): Anthropic.MessageParam {
    if ('reply' in turn) return { role: 'assistant', content: own.of(turn.reply) }
    if ('results' in turn)
      return {
        role: 'user',
        content: turn.results.map(({ id, text, png }) => ({
          type: 'tool_result',
          tool_use_id: id,
          content: [{ type: 'text', text }, ...images(png)],
        })),
      }
    return { role: 'user', content: [{ type: 'text', text: turn.user }, ...images(turn.png), ...files(turn.pdf)] }
  }
}

function sourcesOf(block: Anthropic.ContentBlock): string[] {
  if (block.type !== 'web_search_tool_result' || !Array.isArray(block.content)) return []
  return block.content.map(({ url }) => url)
}

function images(png: string | undefined): Anthropic.ImageBlockParam[] {
  return png === undefined ? [] : [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } }]
}

function files(pdf: string | undefined): Anthropic.DocumentBlockParam[] {
  return pdf === undefined
    ? []
    : [{ type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: pdf } }]
}
