import { type Static, Type } from '@sinclair/typebox'
import { maybe, open, orNull, otherThan, words } from '../../json/lenient-schema.ts'

const strings = Type.Array(Type.String())
const anySchema = Type.Record(Type.String(), Type.Unknown())
const inAnyTool = {
  allowed_callers: maybe(strings),
  defer_loading: maybe(Type.Boolean()),
  input_examples: maybe(Type.Array(Type.Unknown())),
  strict: maybe(Type.Boolean()),
}

const customTool = open({
  type: maybe(Type.Literal('custom')),
  name: Type.String({ minLength: 1 }),
  description: maybe(Type.String()),
  // Null means no arguments. A missing schema is an error.
  input_schema: orNull(anySchema),
  ...inAnyTool,
})
/** Tools in OpenAI's forms: flat as in its Responses API, */
const flatFunction = open({
  type: Type.Literal('function'),
  name: Type.String({ minLength: 1 }),
  description: maybe(Type.String()),
  parameters: maybe(anySchema),
  ...inAnyTool,
})
/** flat and without a type, where only the name of the schema's field shows the form, */
const bareFunction = open({
  type: Type.Optional(Type.Null()),
  name: Type.String({ minLength: 1 }),
  description: maybe(Type.String()),
  parameters: orNull(anySchema),
  ...inAnyTool,
})
/** and nested as in its Chat API. */
const nestedFunction = open({
  type: maybe(Type.Literal('function')),
  function: open({
    name: Type.String({ minLength: 1 }),
    description: maybe(Type.String()),
    parameters: maybe(anySchema),
    input_schema: maybe(anySchema),
    strict: maybe(Type.Boolean()),
  }),
})
/** Tools of OpenAI's APIs that take free text, nested and flat. */
const nestedFreeform = open({
  type: maybe(Type.Literal('custom')),
  custom: open({ name: Type.String({ minLength: 1 }), description: maybe(Type.String()), format: maybe(open({})) }),
})
const flatFreeform = open({
  type: Type.Literal('custom'),
  name: Type.String({ minLength: 1 }),
  description: maybe(Type.String()),
  format: open({ type: Type.String() }),
  ...inAnyTool,
})
/** Tools that Anthropic's API knows by their type, which ends in a date: `web_search_20250305`. */
const typedTool = open({
  type: otherThan('custom', 'function'),
  name: maybe(Type.String()),
  // Options of the web search.
  max_uses: maybe(Type.Number()),
  allowed_domains: maybe(strings),
  blocked_domains: maybe(strings),
  user_location: Type.Optional(Type.Unknown()),
  web_search: maybe(open({ enable: maybe(Type.Boolean()) })),
  // Options of the computer and the text editor.
  display_width_px: maybe(Type.Number()),
  display_height_px: maybe(Type.Number()),
  display_number: maybe(Type.Number()),
  enable_zoom: maybe(Type.Boolean()),
  max_characters: maybe(Type.Number()),
  // Options of toolsets, by the names of their tools.
  configs: maybe(
    Type.Record(
      Type.String(),
      Type.Union([open({ enabled: maybe(Type.Boolean()), defer_loading: maybe(Type.Boolean()) }), Type.Null()]),
    ),
  ),
  ...inAnyTool,
})

/** The form from before there were tools. */
export const legacyFunction = open({
  type: Type.Optional(Type.Null()),
  name: Type.String({ minLength: 1 }),
  description: maybe(Type.String()),
  parameters: maybe(anySchema),
  ...inAnyTool,
})

export const toolBody = Type.Union([
  customTool,
  flatFunction,
  bareFunction,
  nestedFunction,
  nestedFreeform,
  flatFreeform,
  typedTool,
])

const allowed = { mode: maybe(Type.Union(words('auto', 'required'))), tools: maybe(Type.Array(open({}))) }
const allowedTools = open({ type: Type.Literal('allowed_tools'), allowed_tools: maybe(open(allowed)), ...allowed })
const parallel = { disable_parallel_tool_use: maybe(Type.Boolean()) }
export const toolChoice = Type.Union([
  open({ type: Type.Literal('auto'), ...parallel }),
  open({ type: Type.Literal('any'), ...parallel }),
  open({ type: Type.Literal('tool'), name: Type.String(), ...parallel }),
  open({ type: Type.Literal('none'), ...parallel }),
  // The form of OpenAI's APIs.
  open({ type: Type.Literal('function'), name: maybe(Type.String()), function: maybe(open({ name: Type.String() })) }),
  open({ type: Type.Literal('custom'), name: maybe(Type.String()), custom: maybe(open({ name: Type.String() })) }),
  allowedTools,
  Type.Union([Type.Literal('auto'), Type.Literal('none'), Type.Literal('required'), Type.Literal('any')]),
])

export type TypedTool = Static<typeof typedTool>
export type ToolBody = Static<typeof toolBody> | Static<typeof legacyFunction>
export type OwnTool = Static<
  typeof customTool | typeof flatFunction | typeof bareFunction | typeof flatFreeform | typeof legacyFunction
>
export type NestedFunction = Static<typeof nestedFunction>
export type FlatFreeform = Static<typeof flatFreeform>
export type NestedFreeform = Static<typeof nestedFreeform>
export type AllowedTools = Static<typeof allowedTools>
export type ToolChoiceBody = Static<typeof toolChoice> | null | undefined
