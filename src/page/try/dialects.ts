import { apiVersion, keyHeader, versionHeader } from '../../dialects/anthropic-messages/headers.ts'
import { addText, argumentsOf, bearer, calls, type Data, dataOf, type TryDialect, textOf } from './dialect.ts'
import { gemini } from './gemini.ts'
import { ollama } from './ollama.ts'
import { clockTool, type Progress } from './transcript.ts'

const chat: TryDialect = {
  id: 'chat',
  label: 'Chat',
  path: () => '/v1/chat/completions',
  keyHeader: bearer,
  headers: {},
  sdk: { library: 'openai', method: 'chat.completions', print: 'event.choices[0]?.delta' },
  body: (turns, { model, thinking, maxTokens, tool }) => ({
    model,
    stream: true,
    stream_options: { include_usage: true },
    ...(maxTokens === undefined ? {} : { max_completion_tokens: maxTokens }),
    ...(thinking === 'default' ? {} : { reasoning_effort: thinking }),
    ...(tool ? { tools: [{ type: 'function', function: clockTool }] } : {}),
    messages: turns.flatMap((turn): object[] => {
      if (turn.by === 'user') {
        const images = turn.images.map(({ url }) => ({ type: 'image_url', image_url: { url } }))
        const content = images.length > 0 ? [{ type: 'text', text: turn.text }, ...images] : turn.text
        return [{ role: 'user', content }]
      }
      const made = calls(turn)
      const tool_calls = made.map(({ id, name, args }) => ({
        id,
        type: 'function',
        function: { name, arguments: args },
      }))
      return [
        { role: 'assistant', content: textOf(turn), ...(made.length > 0 ? { tool_calls } : {}) },
        ...made.map(({ id, result = '' }) => ({ role: 'tool', tool_call_id: id, content: result })),
      ]
    }),
  }),
  isOwn: ({ choices }) => choices !== undefined && choices[0]?.text === undefined,
  take(progress, _event, data, at) {
    const choice = data.choices?.[0]
    addText(progress, 'reasoning', choice?.delta?.reasoning_content ?? choice?.delta?.reasoning, at)
    addText(progress, 'text', choice?.delta?.content, at)
    for (const { index = 0, id, function: called } of choice?.delta?.tool_calls ?? []) {
      const made = progress.parts.filter((part) => part.type === 'call')
      if (made[index] === undefined)
        progress.parts.push({ type: 'call', id: id ?? '', name: called?.name ?? '', args: called?.arguments ?? '' })
      else made[index].args += called?.arguments ?? ''
    }
    if (choice?.finish_reason) progress.stop = choice.finish_reason
    if (data.usage)
      progress.usage = {
        input: data.usage.prompt_tokens,
        cached: data.usage.prompt_tokens_details?.cached_tokens,
        output: data.usage.completion_tokens,
        reasoning: data.usage.completion_tokens_details?.reasoning_tokens,
      }
  },
}

const responses: TryDialect = {
  id: 'responses',
  label: 'Responses',
  path: () => '/v1/responses',
  keyHeader: bearer,
  headers: {},
  sdk: { library: 'openai', method: 'responses', print: 'event' },
  body: (turns, { model, thinking, maxTokens, tool }) => ({
    model,
    stream: true,
    store: false,
    ...(maxTokens === undefined ? {} : { max_output_tokens: maxTokens }),
    ...(thinking === 'default' ? {} : { reasoning: { effort: thinking } }),
    ...(tool ? { tools: [{ type: 'function', ...clockTool, strict: false }] } : {}),
    input: turns.flatMap((turn): object[] => {
      if (turn.by === 'user') {
        const images = turn.images.map(({ url }) => ({ type: 'input_image', image_url: url }))
        const content = images.length > 0 ? [{ type: 'input_text', text: turn.text }, ...images] : turn.text
        return [{ role: 'user', content }]
      }
      const text = textOf(turn)
      return [
        ...(text ? [{ role: 'assistant', content: text }] : []),
        ...calls(turn).flatMap(({ id, name, args, result = '' }) => [
          { type: 'function_call', call_id: id, name, arguments: args },
          { type: 'function_call_output', call_id: id, output: result },
        ]),
      ]
    }),
  }),
  isOwn: ({ type }) => String(type).startsWith('response.'),
  take(progress, _event, data, at) {
    switch (data.type) {
      case 'response.reasoning_text.delta':
      case 'response.reasoning_summary_text.delta':
        return addText(progress, 'reasoning', data.delta, at)
      case 'response.output_text.delta':
        return addText(progress, 'text', data.delta, at)
      case 'response.output_item.added':
        if (data.item?.type === 'function_call')
          progress.parts.push({ type: 'call', id: data.item.call_id, name: data.item.name, args: '' })
        return
      case 'response.function_call_arguments.delta': {
        const last = progress.parts.at(-1)
        if (last?.type === 'call') last.args += data.delta
        return
      }
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed': {
        const { usage, status, incomplete_details } = data.response
        progress.stop = incomplete_details?.reason ?? status
        progress.usage = {
          input: usage?.input_tokens,
          cached: usage?.input_tokens_details?.cached_tokens,
          output: usage?.output_tokens,
          reasoning: usage?.output_tokens_details?.reasoning_tokens,
        }
      }
    }
  },
}

/** Where a number is demanded and none was chosen. */
const usualMaxTokens = 4096

const messages: TryDialect = {
  id: 'messages',
  label: 'Messages',
  path: () => '/v1/messages',
  keyHeader: (key) => [keyHeader, key],
  headers: { [versionHeader]: apiVersion },
  sdk: { library: 'anthropic', method: 'messages', print: 'event' },
  body: (turns, { model, thinking, maxTokens = usualMaxTokens, tool }) => ({
    model,
    stream: true,
    max_tokens: maxTokens,
    ...(thinking === 'default'
      ? {}
      : thinking === 'none'
        ? { thinking: { type: 'disabled' } }
        : { thinking: { type: 'adaptive' }, output_config: { effort: thinking } }),
    ...(tool
      ? { tools: [{ name: clockTool.name, description: clockTool.description, input_schema: clockTool.parameters }] }
      : {}),
    messages: turns.flatMap((turn): object[] => {
      if (turn.by === 'user') {
        const images = turn.images.map(({ url }) => {
          const { mediaType, base64 } = dataOf(url)
          return { type: 'image', source: { type: 'base64', media_type: mediaType, data: base64 } }
        })
        const content = images.length > 0 ? [...images, { type: 'text', text: turn.text }] : turn.text
        return [{ role: 'user', content }]
      }
      const made = calls(turn)
      const text = textOf(turn)
      const content = [
        ...(text ? [{ type: 'text', text }] : []),
        ...made.map(({ id, name, args }) => ({ type: 'tool_use', id, name, input: argumentsOf(args) })),
      ]
      const results = made.map(({ id, result = '' }) => ({ type: 'tool_result', tool_use_id: id, content: result }))
      return [
        ...(content.length > 0 ? [{ role: 'assistant', content }] : []),
        ...(results.length > 0 ? [{ role: 'user', content: results }] : []),
      ]
    }),
  }),
  isOwn: ({ type }) => /^(?:message|content_block)_|^ping$/.test(String(type)),
  take(progress, _event, data, at) {
    const { content_block: block, delta, usage } = data
    if (data.type === 'message_start') takeUsage(progress, data.message?.usage)
    else if (data.type === 'content_block_start' && block?.type === 'tool_use')
      progress.parts.push({ type: 'call', id: block.id, name: block.name, args: '' })
    else if (data.type === 'content_block_delta') {
      addText(progress, 'reasoning', delta.thinking, at)
      addText(progress, 'text', delta.text, at)
      const last = progress.parts.at(-1)
      if (delta.type === 'input_json_delta' && last?.type === 'call') last.args += delta.partial_json
    } else if (data.type === 'message_delta') {
      progress.stop = delta?.stop_reason
      takeUsage(progress, usage)
    }
  },
}

function takeUsage(progress: Progress, usage: Data): void {
  if (!usage) return
  const { input_tokens, cache_read_input_tokens: cached, cache_creation_input_tokens: made = 0, output_tokens } = usage
  progress.usage = {
    input: input_tokens === undefined ? progress.usage.input : input_tokens + (cached ?? 0) + (made ?? 0),
    cached: cached ?? progress.usage.cached,
    output: output_tokens ?? progress.usage.output,
  }
}

const completions: TryDialect = {
  id: 'completions',
  label: 'Completions',
  path: () => '/v1/completions',
  keyHeader: bearer,
  headers: {},
  sdk: { library: 'openai', method: 'completions', print: 'event.choices[0]?.text' },
  isPrompt: true,
  body: (turns, { model, maxTokens }) => ({
    model,
    stream: true,
    stream_options: { include_usage: true },
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    prompt: turns.map((turn) => (turn.by === 'user' ? turn.text : textOf(turn))).join('\n\n'),
  }),
  isOwn: ({ choices }) => choices?.[0]?.text !== undefined,
  take(progress, _event, data, at) {
    const choice = data.choices?.[0]
    addText(progress, 'text', choice?.text, at)
    if (choice?.finish_reason) progress.stop = choice.finish_reason
    if (data.usage) progress.usage = { input: data.usage.prompt_tokens, output: data.usage.completion_tokens }
  },
}

/** Every API that the page can speak; what it offers and what it can read follow from this list. */
export const tryDialects: readonly [TryDialect, ...TryDialect[]] = [
  ...([chat, responses, messages, completions] as const),
  ...[gemini, ollama],
]
