import type { Delta, TextKind } from '../../core/events.ts'
import { parseJson } from '../../core/json.ts'
import { type EventTemplate, eventTemplateOf } from '../../wire/event-template.ts'
import { type Choice, type Chunk, chunk as chunks } from './schema.ts'

/** Learns what the chunks of a reply with nothing but text look like, so that later ones need not be parsed. */
export interface ChunkTemplates {
  /** Adds a chunk that was parsed. */
  add(payload: string, chunk: Chunk): void
  /** The template for the next chunks. `ahead`: the length of what has arrived and is not read yet. */
  learned(ahead: number): EventTemplate | undefined
}

export interface ChunkTemplateOptions {
  emit: (field: TextField, text: string, out: Delta[]) => void
  /** Whether a choice is the reply, and not a further one. */
  isReply: (choice: Choice) => boolean
  /** What text in this field becomes; `undefined` while it has to be looked at. */
  kind: (field: TextField) => TextKind | undefined
}

const textFields = ['content', 'reasoning_content', 'reasoning'] as const
export type TextField = (typeof textFields)[number]

/** Plain chunks to see before a template is learned: shorter replies end before that pays off. */
const minChunks = 4
/** With this many chunks already buffered, a template is learned at once. */
const minBufferedChunks = 8
/** Templates tried in one reply. More do not pay off if the chunks keep changing. */
const maxTemplates = 8

export function chunkTemplates({ emit, isReply, kind }: ChunkTemplateOptions): ChunkTemplates {
  let template: EventTemplate | undefined
  let templatesLeft = maxTemplates
  // The newest chunk with nothing but text, and the number of such chunks since a template was last learned.
  let plain: { payload: string; field: TextField } | undefined
  let unlearned = 0

  return {
    add(payload, chunk) {
      const field = onlyField(chunk, isReply)
      if (field === undefined) return
      plain = { payload, field }
      unlearned++
    },
    learned(ahead) {
      const isEnoughSeen = plain && (unlearned >= minChunks || ahead >= minBufferedChunks * plain.payload.length)
      if (plain && isEnoughSeen && templatesLeft > 0) learn(plain.payload, plain.field)
      return template
    },
  }

  function learn(payload: string, field: TextField): void {
    plain = undefined
    unlearned = 0
    templatesLeft--
    template = eventTemplateOf(payload, {
      read(other) {
        const value = parseJson(other)
        return chunks.Check(value) && onlyField(value, isReply) === field ? textIn(value, field) : undefined
      },
      emit: (text, out) => emit(field, text, out),
      kind: () => kind(field),
    })
  }
}

/** The only field of a chunk with content; `undefined` if there are several, or anything else besides. */
function onlyField(
  { choices, usage, web_search: results }: Chunk,
  isReply: (choice: Choice) => boolean,
): TextField | undefined {
  const [choice] = choices ?? []
  if (!choice?.delta || choice.finish_reason || choices?.length !== 1 || usage || results) return undefined
  if (choice.delta.tool_calls || !isReply(choice)) return undefined
  let only: TextField | undefined
  for (const field of textFields) {
    if (!choice.delta[field]) continue
    if (only !== undefined) return undefined
    only = field
  }
  return only
}

function textIn({ choices }: Chunk, field: TextField): string {
  return choices?.[0]?.delta?.[field] ?? ''
}
