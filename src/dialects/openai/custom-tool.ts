import type { Tool } from '../../core/request.ts'
import { readableInput } from './custom-input.ts'
import { type Fields, fieldsOf, isFields, textOr } from './json-fields.ts'

/** A tool that takes free text instead of JSON. A grammar may restrict the text. */
export interface CustomDefinition {
  description?: string | null | undefined
  format?: { type: 'text' } | { type: 'grammar'; syntax: string; definition: string } | null | undefined
}

/** Chat Completions nest the grammar one level deeper than Responses. */
export function customDefinition({ description, format }: Fields): CustomDefinition {
  const { type, grammar, ...flat } = fieldsOf(format)
  if (type !== 'grammar') return { description: textOr(description) }
  const { syntax, definition } = isFields(grammar) ? grammar : flat
  return {
    description: textOr(description),
    format: { type: 'grammar', syntax: textOr(syntax), definition: textOr(definition) },
  }
}

/** The tool as a function with one string, because upstreams know only functions. */
export function freeform({ description, format }: CustomDefinition): Omit<Tool, 'name'> {
  const parts = [description ?? '', 'This tool takes free text: put the whole of it into `input`, as one string.']
  if (format?.type === 'grammar') parts.push(`The text must match this ${format.syntax} grammar:\n${format.definition}`)
  return {
    description: parts.filter((part) => part !== '').join('\n\n'),
    parameters: {
      type: 'object',
      properties: { input: { type: 'string' } },
      required: ['input'],
      additionalProperties: false,
    },
    // `strict` is off, because strict arguments are held back, and clients show the text while it arrives.
    readable: readableInput,
  }
}
