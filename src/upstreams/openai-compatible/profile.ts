import { rowSetting } from '../../config/upstream-rows.ts'
import type { Reasoning } from '../../core/request.ts'
import { userAgent } from '../../http-client/user-agent.ts'
import type { ModelFacts } from '../../models/table.ts'
import { bearer } from '../chat-completions/bearer.ts'
import { type FailureRow, vendorErrors, windowExceededText } from '../chat-completions/errors.ts'
import type { ChatModel } from '../chat-completions/models.ts'
import type { Profile } from '../chat-completions/profile.ts'

/**
 * How a server is asked to reason. `template`: the switch of GLM's own chat template, as vLLM, SGLang and llama.cpp accept
 * it. `effort`: OpenRouter's `reasoning` object. `none`: the server decides.
 */
export const reasoningStyles = ['template', 'effort', 'none'] as const
export type ReasoningStyle = (typeof reasoningStyles)[number]

export interface CompatibleProfileOptions {
  /** Name in the configuration, for errors. */
  id: string
  reasoning: ReasoningStyle
}

/**
 * Any other server with OpenAI's Chat Completions API: GLM's open weights under vLLM, SGLang or llama.cpp, or a service
 * that hosts them.
 * Source: the API references of these servers and of OpenRouter, read in 2026-11.
 */
export function compatibleProfile({ id, reasoning }: CompatibleProfileOptions): Profile {
  return {
    errors: vendorErrors({
      label: id,
      noKey: `There is no key for ${id}. Give it one as keys in [[upstreams]].`,
      notAnApi: `Check ${rowSetting('base', id)}: it is an address under which there is /chat/completions, such as http://127.0.0.1:8000/v1.`,
      failures: failures(id),
    }),
    headers: compatibleHeaders,
    models: {
      // Only the server knows its models.
      offers: () => false,
      isChatModel: (name) => !/embed|rerank|whisper|tts|moderation/i.test(name),
      offersEmbedder: () => false,
      isEmbedder: (name) => /embed/i.test(name),
      isFamiliar: () => false,
      facts: (facts) => asServed(facts, reasoning),
    },
    // As many as OpenAI accepts.
    mostEmbeddedTexts: 2_048,
    request: {
      // Without this option the stream has no usage.
      always: () => ({ stream_options: { include_usage: true } }),
      maxTemperature: 2,
      minTopP: 0,
      toolChoice: 'native',
      responseFormat: ({ schema, name = 'answer' }) =>
        schema === undefined
          ? { response_format: { type: 'json_object' } }
          : { response_format: { type: 'json_schema', json_schema: { name, schema } } },
      schemaInWords: false,
      reasoning: (asked, model) => reasoningFields[reasoning](asked, model),
      reasoningField: reasoning === 'effort' ? 'reasoning' : 'reasoning_content',
    },
    takesAnyToolName: true,
    enforcesMaxTokens: true,
  }
}

/** Headers of every request. The key is '' for a server that needs none. */
export function compatibleHeaders(key: string): Record<string, string> {
  return { ...bearer(key), 'user-agent': userAgent }
}

const reasoningFields: Record<ReasoningStyle, (asked: Reasoning, model: ChatModel) => object> = {
  template: ({ mode }, { reasoningSwitch }) =>
    mode === 'default' || reasoningSwitch === 'none'
      ? {}
      : { chat_template_kwargs: { enable_thinking: mode === 'on' } },
  effort({ mode, effort, budgetTokens }) {
    if (mode === 'off') return { reasoning: { enabled: false } }
    if (effort !== undefined) return { reasoning: { effort: effort === 'max' ? 'high' : effort } }
    if (budgetTokens !== undefined) return { reasoning: { max_tokens: budgetTokens } }
    return mode === 'on' ? { reasoning: { enabled: true } } : {}
  },
  none: () => ({}),
}

/** The facts without those that hold only at the vendor's own service. */
function asServed(facts: ModelFacts, style: ReasoningStyle): ModelFacts {
  return {
    ...facts,
    reasoning: facts.reasoning !== 'never' && style === 'none' ? 'always' : facts.reasoning,
    efforts: style === 'effort' ? ['low', 'medium', 'high'] : [],
    input: new Set([...facts.input].filter((kind) => kind !== 'file')),
    imagesInToolResults: false,
    toolStream: false,
    webSearch: false,
    price: facts.ownPrice,
    plan: undefined,
  }
}

/**
 * Failures are matched by HTTP status. Only messages about context length and unknown models are similar enough on all
 * servers to be matched by text.
 */
function failures(id: string) {
  return [
    {
      code: 'context_length_exceeded',
      words:
        /maximum context length|context (?:size|window|length).{0,40}exceed|exceed.{0,60}context|longer than the model/i,
      kind: 'context-overflow',
      message: windowExceededText,
      recovery: 'none',
      facts: { param: 'messages' },
    },
    {
      code: 'model_not_found',
      words: /model\b.{0,80}(?:does not exist|not found)|no such model/i,
      codes: ['model_not_found'],
      kind: 'not-found',
      message: `${id} does not have this model. Choose another one; GET /v1/models lists them.`,
      recovery: 'none',
      facts: { param: 'model' },
    },
    {
      code: 'upstream_auth_failed',
      statuses: [401, 403],
      kind: 'upstream-auth',
      message: `${id} does not accept the key. Check ${rowSetting('keys', id)}.`,
      recovery: 'invalid-credential',
    },
    {
      code: 'insufficient_quota',
      statuses: [402],
      kind: 'quota-exhausted',
      message: `The account behind this key has no balance at ${id}. Add to it, or use another key.`,
      recovery: 'invalid-credential',
    },
    {
      code: 'upstream_wrong_address',
      statuses: [404, 405],
      kind: 'upstream-blocked',
      message: `There is no /chat/completions at the address of ${id}. Check base in [[upstreams]]: it ends in /v1, as a rule.`,
      recovery: 'none',
    },
    {
      code: 'request_too_large',
      statuses: [413],
      kind: 'too-large',
      message: `The request is larger than ${id} takes. Send smaller or fewer files.`,
      recovery: 'none',
    },
    {
      code: 'rate_limit_exceeded',
      statuses: [429],
      kind: 'rate-limited',
      message: `${id} takes no more calls of this model just now. Wait a moment, or send fewer at a time.`,
      recovery: 'concurrency-limited',
      facts: { retryAfterMs: 5_000 },
    },
    {
      code: 'model_overloaded',
      statuses: [529],
      kind: 'rate-limited',
      message: `The model is overloaded at ${id}. Wait a minute, or choose another model.`,
      recovery: 'model-overloaded',
      facts: { retryAfterMs: 30_000 },
    },
    {
      code: 'invalid_request',
      statuses: [400, 422],
      kind: 'invalid-request',
      message: `${id} does not accept this request.`,
      quoted: true,
      recovery: 'none',
    },
    {
      code: 'upstream_error',
      statuses: [500, 502, 503, 504],
      kind: 'upstream-unavailable',
      message: `${id} could not answer the call. Try again in a moment.`,
      recovery: 'again',
    },
  ] satisfies FailureRow[]
}
