import { type Static, Type } from '@sinclair/typebox'
import { maybe, open, otherThan } from './open.ts'
import { toolBody } from './tool-schema.ts'

const base64Source = open({ type: Type.Literal('base64'), media_type: Type.String(), data: Type.String() })
const urlSource = open({ type: Type.Literal('url'), url: Type.String() })
const fileSource = open({ type: Type.Literal('file'), file_id: Type.String() })

export const textBlock = open({ type: Type.Literal('text'), text: maybe(Type.String()) })
const imageBlock = open({
  type: Type.Literal('image'),
  source: maybe(Type.Union([base64Source, urlSource, fileSource])),
  // As MCP servers have them, whose results some programs hand on unread.
  data: maybe(Type.String()),
  mimeType: maybe(Type.String()),
  transformations: maybe(open({ oversized_image: maybe(Type.String()) })),
})
const documentBlock = open({
  type: Type.Literal('document'),
  source: Type.Union([
    base64Source,
    urlSource,
    fileSource,
    open({ type: Type.Literal('text'), data: Type.String() }),
    open({
      type: Type.Literal('content'),
      content: Type.Union([Type.String(), Type.Array(Type.Union([textBlock, imageBlock]))]),
    }),
  ]),
  title: maybe(Type.String()),
  context: maybe(Type.String()),
  citations: maybe(open({ enabled: maybe(Type.Boolean()) })),
})
const searchResultBlock = open({
  type: Type.Literal('search_result'),
  source: maybe(Type.String()),
  title: maybe(Type.String()),
  content: Type.Array(textBlock),
  citations: maybe(open({ enabled: maybe(Type.Boolean()) })),
})
/** Claude Code's ToolSearch answers with these; the tool itself is in `tools` with `defer_loading`. */
const toolReferenceBlock = open({ type: Type.Literal('tool_reference'), tool_name: Type.String() })
const containerUploadBlock = open({ type: Type.Literal('container_upload'), file_id: maybe(Type.String()) })

/** What a result may hold; what it is, tells its type. */
const resultBlock = Type.Union([
  textBlock,
  imageBlock,
  documentBlock,
  searchResultBlock,
  toolReferenceBlock,
  containerUploadBlock,
  open({
    type: otherThan('text', 'image', 'document', 'search_result', 'tool_reference', 'container_upload'),
  }),
])
/** Lossy programs send the bare value a tool has given, or texts in place of blocks. */
const resultContent = Type.Union([
  Type.String(),
  Type.Array(Type.Union([resultBlock, Type.String()])),
  open({}),
  Type.Number(),
  Type.Boolean(),
])
/** Other servers and lossy clients leave ids out, or leave them empty. */
const toolResultBlock = open({
  type: Type.Literal('tool_result'),
  tool_use_id: maybe(Type.String()),
  content: maybe(resultContent),
  is_error: maybe(Type.Boolean()),
})
const toolUseBlock = open({
  type: Type.Literal('tool_use'),
  id: maybe(Type.String()),
  name: maybe(Type.String()),
  input: Type.Optional(Type.Unknown()),
  /** The family of a tool that was offered as a member of a toolset. */
  toolset_name: maybe(Type.String()),
})
const thinkingBlock = open({
  type: Type.Literal('thinking'),
  thinking: maybe(Type.String()),
  signature: maybe(Type.String()),
})
const redactedThinkingBlock = open({ type: Type.Literal('redacted_thinking') })
const toolChange = <T extends string>(type: T) =>
  open({
    type: Type.Literal(type),
    tool: open({ type: maybe(Type.String()), name: maybe(Type.String()), definition: maybe(toolBody) }),
  })

const knownBlocks = [
  textBlock,
  imageBlock,
  documentBlock,
  searchResultBlock,
  toolReferenceBlock,
  containerUploadBlock,
  toolResultBlock,
  toolUseBlock,
  thinkingBlock,
  redactedThinkingBlock,
  toolChange('tool_addition'),
  toolChange('tool_removal'),
] as const
/** Blocks of tools that another server ran, and of other APIs and times: other-blocks.ts makes of them what it can. */
const otherBlock = open({ type: otherThan(...knownBlocks.map(({ properties }) => properties.type.const)) })

/** Lossy programs leave a block null, or leave its type out. */
const bareBlock = open({ type: Type.Optional(Type.Null()) })

export const content = Type.Union([
  Type.String(),
  Type.Array(Type.Union([...knownBlocks, otherBlock, Type.String(), Type.Null(), bareBlock])),
  Type.Null(),
])

export type Content = Static<typeof content | typeof resultContent> | undefined
export type KnownBlock = Static<(typeof knownBlocks)[number]>
export type OtherBlock = Static<typeof otherBlock>
export type Block = KnownBlock | OtherBlock
export type ToolResultBlock = Static<typeof toolResultBlock>
export type DocumentBlock = Static<typeof documentBlock>
export type ImageBlock = Static<typeof imageBlock>
export type SearchResultBlock = Static<typeof searchResultBlock>

const knownTypes = new Set<string>(knownBlocks.map(({ properties }) => properties.type.const))

/** No text, nothing, and nothing without a type. */
export function isBlock(value: string | { type?: string | null } | null): value is Block {
  return typeof value === 'object' && typeof value?.type === 'string'
}

export function isKnown(block: Block): block is KnownBlock {
  return knownTypes.has(block.type)
}
