import type { TextPart } from '../../core/request.ts'

/** Empty text blocks are no blocks: the official API refuses them, and so do upstreams. */
export function text(value: string | null | undefined): TextPart[] {
  return value ? [{ type: 'text', text: value }] : []
}

/** The text under that name, where there is one. */
export function member(value: unknown, name: string): string | undefined {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  return typeof found === 'string' ? found : undefined
}
