import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler'
import { Value } from '@sinclair/typebox/value'
import { maybe, open, orElse, otherThan } from '../../json/lenient-schema.ts'
import { isFields, jsonText } from '../openai/json-fields.ts'
import { member } from './text.ts'
import { toolBody } from './tool-schema.ts'

const base64Source = open({ type: Type.Literal('base64'), media_type: Type.String(), data: Type.String() })
const urlSource = open({ type: Type.Literal('url'), url: Type.String() })
const fileSource = open({ type: Type.Literal('file'), file_id: Type.String() })

export const textBlock = open({ type: Type.Literal('text'), text: maybe(Type.String()) })
const imageBlock = open({
  type: Type.Literal('image'),
  source: maybe(Type.Union([base64Source, urlSource, fileSource])),
  // The form of MCP servers, whose results some programs pass on unread.
  data: maybe(Type.String()),
  mimeType: maybe(Type.String()),
  transformations: maybe(open({ oversized_image: maybe(Type.String()) })),
})
const documentBlock = open({
  type: Type.Literal('document'),
  source: maybe(
    Type.Union([
      base64Source,
      urlSource,
      fileSource,
      open({ type: Type.Literal('text'), data: Type.String() }),
      open({
        type: Type.Literal('content'),
        content: Type.Union([Type.String(), Type.Array(Type.Union([textBlock, imageBlock]))]),
      }),
    ]),
  ),
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
/** The results of Claude Code's ToolSearch. The tool itself is in `tools` with `defer_loading`. */
const toolReferenceBlock = open({ type: Type.Literal('tool_reference'), tool_name: Type.String() })
const containerUploadBlock = open({ type: Type.Literal('container_upload'), file_id: maybe(Type.String()) })

/** What a result may contain. The `type` of each entry says what it is. */
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
/** Some programs send the bare value that a tool returned, or texts in place of blocks. */
const resultContent = orElse(Type.String(), Type.Array(resultBlock))
/** Other servers and some clients omit ids, or leave them empty. */
const toolResultBlock = open({
  type: Type.Literal('tool_result'),
  tool_use_id: maybe(Type.String()),
  content: Type.Optional(resultContent),
  is_error: maybe(Type.Boolean()),
})
const toolUseBlock = open({
  type: Type.Literal('tool_use'),
  id: maybe(Type.String()),
  name: maybe(Type.String()),
  input: Type.Optional(Type.Unknown()),
  /** The toolset that the called tool belongs to. */
  toolset_name: maybe(Type.String()),
})
/** A call of a tool of an MCP server, and its result. */
const mcpUseBlock = open({
  type: Type.Literal('mcp_tool_use'),
  id: Type.String({ minLength: 1 }),
  name: Type.String({ minLength: 1 }),
  server_name: maybe(Type.String()),
  input: Type.Optional(Type.Unknown()),
})
const mcpResultBlock = open({
  type: Type.Literal('mcp_tool_result'),
  tool_use_id: Type.String({ minLength: 1 }),
  content: Type.Optional(resultContent),
  is_error: maybe(Type.Boolean()),
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
  mcpUseBlock,
  mcpResultBlock,
  thinkingBlock,
  redactedThinkingBlock,
  toolChange('tool_addition'),
  toolChange('tool_removal'),
] as const
/** Blocks of tools that another server ran, and of other APIs and versions. unknown-blocks.ts converts them. */
const otherBlock = open({ type: otherThan(...knownBlocks.map(({ properties }) => properties.type.const)) })

/** A text or blocks. Other content is also accepted: see `readBlocks`. */
export const content = orElse(Type.String(), Type.Array(Type.Union([...knownBlocks, otherBlock])))

export type KnownBlock = Static<(typeof knownBlocks)[number]>
export type OtherBlock = Static<typeof otherBlock>
export type Block = KnownBlock | OtherBlock
export type ToolResultBlock = Static<typeof toolResultBlock> | Static<typeof mcpResultBlock>
export type DocumentBlock = Static<typeof documentBlock>
export type ImageBlock = Static<typeof imageBlock>
export type SearchResultBlock = Static<typeof searchResultBlock>

const schemaOf = new Map<string, (typeof knownBlocks)[number]>(
  knownBlocks.map((schema) => [schema.properties.type.const, schema]),
)

/** Each block is looked at half a dozen times. */
const fitsOf = new Map<string, (block: Block) => boolean>(
  knownBlocks.map((schema) => [schema.properties.type.const, compiledLater(schema)]),
)

/** Compiled for the first block of its type: most conversations have two or three. */
function compiledLater(schema: TSchema): (block: Block) => boolean {
  let fits: TypeCheck<TSchema> | undefined
  return (block) => {
    fits ??= TypeCompiler.Compile(schema)
    return fits.Check(block)
  }
}

/** A block, and its path in the body: `messages.3.content.0`. */
export interface PlacedBlock {
  block: Block
  path: string
}

/**
 * The blocks of any content. Some programs send blocks that are null or have no type, texts in place of blocks, one
 * block in place of a list, or the bare value that a tool returned.
 */
export function readBlocks(content: unknown, path: string, onIgnored: (name: string) => void): PlacedBlock[] {
  if (Array.isArray(content)) return content.flatMap((one, index) => readBlocks(one, `${path}.${index}`, onIgnored))
  if (!isFields(content)) return jsonText(content) === '' ? [] : [{ block: textOf(jsonText(content)), path }]
  if (typeof content.type === 'string')
    return [{ block: readBlock({ ...content, type: content.type }, path, onIgnored), path }]
  const text = member(content, 'text') ?? JSON.stringify(content)
  return [{ block: textOf(text), path }]
}

function textOf(text: string): Block {
  return { type: 'text', text }
}

/**
 * Members that cannot be read are left out and reported as ignored. A block without its required members counts as one
 * of an unknown type.
 */
function readBlock(block: OtherBlock, path: string, onIgnored: (name: string) => void): Block {
  const schema = schemaOf.get(block.type)
  if (schema === undefined || isKnown(block)) return block
  if (block.type === 'text') return textOf(jsonText(Reflect.get(block, 'text')))
  const faults = Object.entries(schema.properties).filter(
    ([name, property]) => name in block && !Value.Check(property, Reflect.get(block, name)),
  )
  const names = faults.map(([name]) => name)
  for (const name of names) onIgnored(`${path}.${name}`)
  return { ...Object.fromEntries(Object.entries(block).filter(([name]) => !names.includes(name))), type: block.type }
}

export function isKnown(block: Block): block is KnownBlock {
  return fitsOf.get(block.type)?.(block) ?? false
}
