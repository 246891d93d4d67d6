import OpenAI from 'openai'
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

type Response = OpenAI.Responses.Response
type Input = OpenAI.Responses.ResponseInputItem

/** The openai package, on Responses. */
export function responsesClient(fetch: Fetch): Client {
  const openai = new OpenAI({ baseURL: 'http://localhost/v1', apiKey: 'anything', maxRetries: 0, fetch })
  const own = replies<Response>()

  return {
    takesServers: true,
    async ask(ask, stream) {
      const body = bodyOf(ask)
      return received(await (stream ? openai.responses.stream(body).finalResponse() : openai.responses.create(body)))
    },
    async count(ask) {
      const { model, input = [] } = bodyOf(ask)
      return (await openai.responses.inputTokens.count({ model: String(model), input })).input_tokens
    },
    async inBackground(ask) {
      let response = await openai.responses.create({ ...bodyOf(ask), background: true })
      while (response.status === 'queued' || response.status === 'in_progress')
        response = await openai.responses.retrieve(response.id)
      return received(response)
    },
  }

  function received(response: Response): Heard {
    const { output, status, error, incomplete_details: incomplete, usage } = response
    if (status === 'failed') throw Object.assign(new Error(error?.message), { code: error?.code })
    if (status === 'incomplete' && incomplete?.reason !== 'max_output_tokens')
      throw new Error(`ended with ${incomplete?.reason}`)
    const calls = output.flatMap((item) =>
      item.type === 'function_call' ? [{ id: item.call_id, name: item.name, args: item.arguments }] : [],
    )
    const texts = output.flatMap((item) => (item.type === 'message' ? item.content : []))
    return own.keep(
      {
        text: texts.map((part) => (part.type === 'output_text' ? part.text : '')).join(''),
        reasoning: output
          .flatMap((item) => (item.type === 'reasoning' ? item.summary : []))
          .map(({ text }) => text)
          .join(''),
        calls,
        ended: status === 'incomplete' ? 'length' : calls.length > 0 ? 'calls' : 'stop',
        usage: usage && { input: usage.input_tokens, output: usage.output_tokens },
        sources: texts
          .flatMap((part) => (part.type === 'output_text' ? part.annotations : []))
          .flatMap((annotation) => (annotation.type === 'url_citation' ? [annotation.url] : [])),
      },
      response,
    )
  }

  function bodyOf(ask: Ask): Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'stream'> {
    const tools: OpenAI.Responses.Tool[] = [
      ...(ask.tools ?? []).map((name) => ({
        type: 'function' as const,
        name,
        description: `Asks for ${name}`,
        parameters: toolSchema,
        strict: null,
      })),
      ...(ask.searches ? [{ type: 'web_search' as const }] : []),
      ...(ask.server
        ? [{ type: 'mcp' as const, server_label: 'town', server_url: ask.server, require_approval: 'never' as const }]
        : []),
    ]
    return {
      model: ask.model ?? defaultModel,
      input: ask.turns.flatMap(itemsOf),
      ...(ask.previous ? { previous_response_id: own.of(ask.previous).id } : {}),
      ...(ask.thinks ? { reasoning: { effort: 'high', summary: 'auto' } } : {}),
      ...(tools.length > 0 ? { tools } : {}),
      ...(ask.choice ? { tool_choice: ask.choice === 'none' ? 'none' : { type: 'function', ...ask.choice } } : {}),
      ...(ask.schema ? { text: { format: { type: 'json_schema', name: 'answer', schema: ask.schema } } } : {}),
      ...(ask.maxTokens === undefined ? {} : { max_output_tokens: ask.maxTokens }),
      ...(ask.temperature === undefined ? {} : { temperature: ask.temperature }),
      ...(ask.topP === undefined ? {} : { top_p: ask.topP }),
      ...ask.unheardOf,
    }
  }

  function itemsOf(turn: Ask['turns'][number]): Input[] {
    if ('reply' in turn) return own.of(turn.reply).output as Input[] // what comes out may go back in
    if ('results' in turn)
      return turn.results.map(({ id, text, png }) => ({
        type: 'function_call_output',
        call_id: id,
        output: [{ type: 'input_text', text }, ...images(png)],
      }))
    const content = [{ type: 'input_text' as const, text: turn.user }, ...images(turn.png), ...files(turn.pdf)]
    return [{ role: 'user', content }]
  }
}

function images(png: string | undefined): OpenAI.Responses.ResponseInputImage[] {
  return png === undefined ? [] : [{ type: 'input_image', image_url: pngUrl(png), detail: 'auto' }]
}

function files(pdf: string | undefined): OpenAI.Responses.ResponseInputFile[] {
  return pdf === undefined ? [] : [{ type: 'input_file', filename: 'file.pdf', file_data: pdfUrl(pdf) }]
}
