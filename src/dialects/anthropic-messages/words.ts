import type { TextPart } from '../../core/request.ts'

/** Empty text blocks are no blocks: the official API refuses them, and so do upstreams. */
export function text(value: string | null | undefined): TextPart[] {
  return value ? [{ type: 'text', text: value }] : []
}

/** What has no part of its own is told in the mark-up models know from their prompts. */
export function tagged(tag: string, attributes: Record<string, string | null | undefined>, inner: string): string {
  const pairs = Object.entries(attributes).flatMap(([name, value]) =>
    value ? [` ${name}="${value.replaceAll('"', '&quot;')}"`] : [],
  )
  return `<${tag}${pairs.join('')}>\n${inner}\n</${tag}>`
}

/** The text under that name, where there is one. */
export function member(value: unknown, name: string): string | undefined {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  return typeof found === 'string' ? found : undefined
}

/** Arguments as a text of JSON, whether they come as a value or as such a text. */
export function argumentsText(value: unknown): string {
  if (typeof value === 'string') return value || '{}'
  return JSON.stringify(value ?? {})
}
