import { anthropicMessages } from '../../../src/dialects/anthropic-messages/index.ts'
import { gemini } from '../../../src/dialects/gemini/index.ts'
import { openaiChat } from '../../../src/dialects/openai-chat/index.ts'
import { openaiCompletions } from '../../../src/dialects/openai-completions/index.ts'
import { openaiResponses } from '../../../src/dialects/openai-responses/index.ts'
import type { Surface } from './tables.ts'

const hello = { role: 'user', content: 'Hello' }
const parameters = { type: 'object', properties: { city: { type: 'string' } } }

type Reasons = Surface['silent']

/** Of OpenAI's. */
const cache = ['*prompt_cache_*', 'what is cached, and how long, is decided by Z.AI; it changes no answer'] as const
const safety = [
  'safety_identifier',
  'the vendor tells abuse by it; who asks is handed on to nobody, see `user`',
] as const
const openai: Reasons = [
  ['user', 'the vendor tells abuse by it; who asks is handed on to nobody'],
  ['stream_options', 'the object itself asks for nothing'],
]
const unpadded = ['stream_options.include_obfuscation', 'nothing is padded here'] as const
const strictSchema = ['*format[json_schema]*.strict', 'every schema is kept to, strictly or not'] as const
const plainText = ['*format[text]', 'what there is without'] as const

const lookedUp = 'clients keep it for themselves: calls and results are told apart by `call_id`'
const listedTools = 'what a server has listed counts where the request names the server: test/mcp'
const earlier = 'said about an earlier answer; the answer itself is told'

export const surfaces: Surface[] = [
  {
    dialect: openaiChat,
    type: 'openai chat/completions/completions ChatCompletionCreateParamsBase',
    template: {
      model: 'glm-4.7',
      messages: [hello],
      tools: [{ type: 'function', function: { name: 'alpha', parameters } }],
    },
    templates: { functions: { model: 'glm-4.7', messages: [hello] } },
    silent: [
      ...openai,
      cache,
      safety,
      unpadded,
      strictSchema,
      plainText,
      ['messages[][*].content[][text]', 'the text “alpha” as a part is the text “alpha”'],
      ['*.image_url.detail', 'pictures go up as they are; how finely GLM looks at them is its own affair'],
      ['messages[][assistant]', 'an answer without anything in it'],
      ['messages[][function].name', 'the call it belongs to is found by its place'],
      ['metadata', 'a label for stored completions, and none are stored'],
      ['tool_choice[allowed_tools].allowed_tools.tools[]', 'a tool without a name allows none'],
    ],
  },
  {
    dialect: openaiCompletions,
    type: 'openai completions CompletionCreateParamsBase',
    template: { model: 'glm-4.7', prompt: 'Hello' },
    silent: [...openai, unpadded],
  },
  {
    dialect: openaiResponses,
    type: 'openai responses/responses ResponseCreateParamsBase',
    template: { model: 'glm-4.7', input: [hello], tools: [{ type: 'function', name: 'alpha', parameters }] },
    templates: {
      input: { model: 'glm-4.7', input: [hello] },
      max_tool_calls: { model: 'glm-4.7', input: [hello], tools: [{ type: 'web_search' }] },
    },
    silent: [
      ...openai,
      cache,
      safety,
      strictSchema,
      plainText,
      ['*.id', lookedUp],
      ['*.status', 'a call without a result is told as one, whatever is said of it'],
      ['*.caller*', 'who called does not matter to the model'],
      ['*.output[][input_text]', 'the text “alpha” as a part is the text “alpha”'],
      ['*.annotations[]*', earlier],
      ['*.logprobs[]*', earlier],
      ['*.phase', earlier],
      ['*_call].async', earlier],
      ['*_output].namespace', lookedUp],
      ['*_output].max_output_length', earlier],
      ['*.approval_request_id', lookedUp],
      ['*_call].execution', 'who searched does not matter to the model'],
      ['*_output].execution', 'who searched does not matter to the model'],
      ['*[shell_call].environment*', earlier],
      ['*[exec].user', earlier],
      ['input[][program*].call_id', lookedUp],
      ['input[][program].fingerprint', 'a seal, and nothing to read'],
      ['input[][reasoning]', 'reasoning without anything in it'],
      ['input[][mcp_call].error[*].code', 'the message says it'],
      ['*[mcp_list_tools]*', listedTools],
      ['*.allowed_callers[]', 'no program calls tools here, the model does'],
      ['*.defer_loading', 'tools are offered outright, without a search for them'],
      ['*tools[].type', 'other names of the same search'],
      ['*tools[].filters', 'filters without anything in them'],
      ['*user_location[approximate]', 'a place without anything in it'],
      ['*[tool_search]*', 'the server’s own search: all tools are offered outright'],
      ['*.environment[local]', 'where shells run that have no container'],
      ['image', 'the object itself asks for nothing'],
      ['reasoning', 'the object itself asks for nothing'],
      ['text', 'the object itself asks for nothing'],
      ['metadata', 'given back with the reply'],
      [
        'previous_response_id',
        'put in its place before the body is read: openai-responses/stored-conversation.test.ts',
      ],
      ['store', 'said of the reply: openai-responses/stored-conversation.test.ts'],
    ],
  },
  {
    dialect: anthropicMessages,
    type: 'anthropic beta/messages/messages MessageCreateParamsBase',
    template: {
      model: 'glm-4.7',
      max_tokens: 4_000,
      messages: [hello],
      tools: [{ name: 'alpha', input_schema: parameters }],
    },
    elsewhere: /definition(?:\[|$)|citations\[\]\[|mid_conv/,
    silent: [
      ['*cache_control[ephemeral]*', 'what is cached, and how long, is decided by Z.AI; it changes no answer'],
      ['*.citations[]*', 'said about an earlier answer; the answer itself is told'],
      ['*.citations', 'the object itself asks for nothing'],
      ['*.caller[*', 'who called does not matter to the model'],
      ['*.content[][text]', 'the text “alpha” as a part is the text “alpha”'],
      ['*.transformations', 'the object itself asks for nothing'],
      ['*.toolset_name', 'of a toolset that the request does not offer'],
      ['*[mcp_tool_listing].*', listedTools],
      ['mcp_servers[][url].tool_configuration', 'the object itself asks for nothing'],
      ['*_use].id', 'calls of servers are told as text, with their results behind them'],
      ['*_result].tool_use_id', 'calls of servers are told as text, with their results behind them'],
      ['*[web_search_result].encrypted_content', 'a seal, and nothing to read'],
      ['*[web_search_result].page_age', 'the pages are told by title and address'],
      ['*[compaction].*', 'a seal, and nothing to read'],
      ['*.tool[mcp_tool*', 'tools of MCP servers, which are named as a whole: `mcp_servers`'],
      ['*.tool[tool_definition]', 'the tool “alpha” is there already'],
      ['messages[][system]', 'a message without anything in it'],
      ['messages[][system].clear_at', 'with nothing behind it there is nothing to clear it for'],
      ['context_management', 'the object itself asks for nothing'],
      ['context_management.edits[]*', 'nothing to clear in one message: anthropic-messages/context-management.test.ts'],
      ['metadata*', 'the vendor tells abuse by it; who asks is handed on to nobody'],
      ['output_config', 'the object itself asks for nothing'],
      ['thinking[disabled]', 'what there is without'],
      ['tool_choice[auto]', 'what there is without'],
      ['*.eager_input_streaming', 'arguments are always told as they come'],
      ['tools[].type', '`custom` is what tools are that say nothing'],
      ['*.configs*', 'a member is there unless it is switched off'],
      ['tools[][web_search_*].defer_loading', 'a search is no tool of the model'],
      ['tools[][web_search_*].strict', 'a search is no tool of the model'],
      ['*.response_inclusion', 'results that the model asked for itself are always told in full'],
    ],
  },
  {
    dialect: gemini,
    type: 'parameters gemini-request GenerateContentRequest',
    template: {
      contents: [{ role: 'user', parts: [{ text: 'Hello' }] }],
      tools: [{ functionDeclarations: [{ name: 'alpha', parametersJsonSchema: parameters }] }],
    },
    silent: [
      ['contents[]', 'a content without anything in it'],
      ['*parts[]', 'a part without anything in it'],
      ['*.mediaProcessing', 'files go up as they are'],
      ['*.partMetadata', 'a label of the client'],
      ['*.speechMetadata*', 'of words that are spoken, and nothing is spoken here'],
      ['*.thought', 'of a part without anything in it'],
      ['*.thoughtSignature', 'a seal of another server, and nothing to read'],
      ['*.functionResponse.name', 'the call it belongs to is found by its id'],
      ['systemInstruction', 'instructions without anything in them'],
      ['systemInstruction.role', 'instructions are the system’s, whatever the role'],
      ['tools[]', 'a tool without anything in it'],
      ['toolConfig', 'the object itself asks for nothing'],
      ['toolConfig.functionCallingConfig', 'the object itself asks for nothing'],
      ['generationConfig', 'the object itself asks for nothing'],
      ['generationConfig.responseFormat[]', 'the object itself asks for nothing'],
      ['generationConfig.responseFormat[].text', 'the object itself asks for nothing'],
      ['generationConfig.responseSchema.nullable', 'of a schema without a type'],
      ['generationConfig.responseSchema.propertyOrdering[]', 'of a schema without properties'],
      ['generationConfig.thinkingConfig', 'the object itself asks for nothing'],
      ['labels', 'for the vendor’s bills'],
    ],
  },
]
