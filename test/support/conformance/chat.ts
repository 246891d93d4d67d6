import OpenAI from 'openai'
import { fieldOf } from '../chat-zai.ts'
import {
  type Ask,
  type Client,
  defaultModel,
  type Fetch,
  type Heard,
  pdfUrl,
  pngUrl,
  replies,
  toolSchema,
} from './ask.ts'

const endings = { stop: 'stop', length: 'length', tool_calls: 'calls' } as const

/** The openai package, on Chat Completions. */
export function chatClient(fetch: Fetch): Client {
  const openai = new OpenAI({ baseURL: 'http://localhost/v1', apiKey: 'anything', maxRetries: 0, fetch })
  const own = replies<OpenAI.ChatCompletionMessage>()

  return {
    async ask(ask, stream) {
      const body = bodyOf(ask)
      if (!stream) return received(await openai.chat.completions.create(body))
      // The package joins the pieces of every field it knows; reasoning is none of them.
      let reasoning = ''
      const running = openai.chat.completions
        .stream({ ...body, stream_options: { include_usage: true } })
        .on('chunk', ({ choices: [choice] }) => {
          reasoning += String(fieldOf(choice?.delta, 'reasoning_content') ?? '')
        })
      const { choices, ...rest } = await running.finalChatCompletion()
      return received({ ...rest, choices: choices.map((choice) => withReasoning(choice, reasoning)) })
    },
    count: () => Promise.reject(new Error('Chat Completions cannot count')),
  }

  function received({ choices, usage }: OpenAI.ChatCompletion): Heard {
    const [choice] = choices
    if (choice === undefined) throw new Error('no choice')
    const { message, finish_reason: reason } = choice
    if (reason !== 'stop' && reason !== 'length' && reason !== 'tool_calls') throw new Error(`ended with ${reason}`)
    const calls = (message.tool_calls ?? []).map((call) => {
      if (call.type !== 'function') throw new Error(`call of type ${call.type}`)
      return { id: call.id, name: call.function.name, args: call.function.arguments }
    })
    return own.keep(
      {
        text: message.content ?? '',
        reasoning: String(fieldOf(message, 'reasoning_content') ?? ''),
        calls,
        ended: endings[reason],
        usage: usage && { input: usage.prompt_tokens, output: usage.completion_tokens },
        sources: (message.annotations ?? []).map(({ url_citation: { url } }) => url),
      },
      message,
    )
  }

  function bodyOf(ask: Ask): Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, 'stream'> {
    return {
      model: ask.model ?? defaultModel,
      messages: ask.turns.flatMap(messagesOf),
      ...(ask.thinks ? { reasoning_effort: 'high' } : {}),
      ...(ask.tools
        ? {
            tools: ask.tools.map((name) => ({
              type: 'function' as const,
              function: { name, description: `Asks for ${name}`, parameters: toolSchema },
            })),
          }
        : {}),
      ...(ask.choice
        ? { tool_choice: ask.choice === 'none' ? 'none' : { type: 'function', function: ask.choice } }
        : {}),
      ...(ask.schema
        ? { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: ask.schema } } }
        : {}),
      ...(ask.stop === undefined ? {} : { stop: [ask.stop] }),
      ...(ask.maxTokens === undefined ? {} : { max_completion_tokens: ask.maxTokens }),
      ...(ask.temperature === undefined ? {} : { temperature: ask.temperature }),
      ...(ask.topP === undefined ? {} : { top_p: ask.topP }),
      ...(ask.searches ? { web_search_options: {} } : {}),
      ...ask.unheardOf,
    }
  }

  function messagesOf(turn: Ask['turns'][number]): OpenAI.ChatCompletionMessageParam[] {
    if ('reply' in turn) return [own.of(turn.reply)]
    if ('results' in turn)
      return turn.results.map(({ id, text, png }) => {
        const content = [{ type: 'text' as const, text }, ...images(png)]
        // The reference has only text here; clients send images all the same.
        return { role: 'tool', tool_call_id: id, content: content as OpenAI.ChatCompletionContentPartText[] }
      })
    return [{ role: 'user', content: [{ type: 'text', text: turn.user }, ...images(turn.png), ...files(turn.pdf)] }]
  }
}

function withReasoning(choice: OpenAI.ChatCompletion.Choice, reasoning: string): OpenAI.ChatCompletion.Choice {
  return { ...choice, message: { ...choice.message, ...(reasoning === '' ? {} : { reasoning_content: reasoning }) } }
}

function images(png: string | undefined): OpenAI.ChatCompletionContentPartImage[] {
  return png === undefined ? [] : [{ type: 'image_url', image_url: { url: pngUrl(png) } }]
}

function files(pdf: string | undefined): OpenAI.ChatCompletionContentPart[] {
  return pdf === undefined ? [] : [{ type: 'file', file: { filename: 'file.pdf', file_data: pdfUrl(pdf) } }]
}
