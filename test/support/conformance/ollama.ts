import { type ChatRequest, type Message, Ollama } from 'ollama'
import { type Ask, type Client, defaultModel, type Fetch, type Heard, replies, toolSchema } from './ask.ts'

/** Ollama's own package. */
export function ollamaClient(fetch: Fetch): Client {
  // The package keeps neither headers nor what its errors have in common with others.
  let answered: Response | undefined
  const noting: Fetch = async (url, init) => {
    answered = await fetch(url, init)
    return answered
  }
  const ollama = new Ollama({ host: 'http://localhost', fetch: Object.assign(noting, { preconnect() {} }) })
  const own = replies<Message>()
  /** Names of tools, by the ids of their calls. */
  const called = new Map<string, string>()

  return {
    async ask(ask, stream) {
      try {
        return await heard(ask, stream)
      } catch (thrown) {
        throw Object.assign(Object(thrown), { status: Object(thrown).status_code, headers: answered?.headers })
      }
    },
    count: () => Promise.reject(new Error('Ollama cannot count')),
  }

  async function heard(ask: Ask, stream: boolean): Promise<Heard> {
    const request = requestOf(ask)
    const parts = stream
      ? await Array.fromAsync(await ollama.chat({ ...request, stream }))
      : [await ollama.chat(request)]
    const calls = parts.flatMap(({ message }) => message.tool_calls ?? [])
    const text = parts.map(({ message }) => message.content).join('')
    const thinking = parts.map(({ message }) => message.thinking ?? '').join('')
    const last = parts.at(-1)
    if (!last?.done || (last.done_reason !== 'stop' && last.done_reason !== 'length'))
      throw new Error(`ended with ${last?.done_reason}`)
    const named = calls.map((call) => ({ id: String(Reflect.get(call, 'id')), call }))
    for (const { id, call } of named) called.set(id, call.function.name)
    return own.keep(
      {
        text,
        reasoning: thinking,
        calls: named.map(({ id, call }) => ({
          id,
          name: call.function.name,
          args: JSON.stringify(call.function.arguments),
        })),
        ended: last.done_reason === 'length' ? 'length' : calls.length > 0 ? 'calls' : 'stop',
        usage: { input: last.prompt_eval_count, output: last.eval_count },
        sources: [],
      },
      { role: 'assistant', content: text, thinking, tool_calls: calls },
    )
  }

  function requestOf(ask: Ask): ChatRequest & { stream?: false } {
    const { stop, maxTokens: num_predict, temperature, topP: top_p } = ask
    const options = Object.entries({ stop: stop === undefined ? undefined : [stop], num_predict, temperature, top_p })
    return {
      model: ask.model ?? defaultModel,
      messages: ask.turns.flatMap(messagesOf),
      ...(ask.thinks ? { think: true } : {}),
      ...(ask.schema ? { format: ask.schema } : {}),
      ...(ask.tools
        ? {
            tools: ask.tools.map((name) => ({
              type: 'function',
              function: { name, description: `Asks for ${name}`, parameters: toolSchema },
            })),
          }
        : {}),
      options: Object.fromEntries(options.filter(([, value]) => value !== undefined)),
      ...ask.unheardOf,
    }
  }

  function messagesOf(turn: Ask['turns'][number]): Message[] {
    if ('reply' in turn) return [own.of(turn.reply)]
    if ('results' in turn)
      return turn.results.map(({ id, text, png }) => ({
        role: 'tool',
        content: text,
        ...(png === undefined ? {} : { images: [png] }),
        tool_name: called.get(id) ?? '',
      }))
    return [{ role: 'user', content: turn.user, ...(turn.png === undefined ? {} : { images: [turn.png] }) }]
  }
}
