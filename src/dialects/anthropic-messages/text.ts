import type { TextPart } from '../../core/request.ts'

/** Drops empty text blocks, which the official API and the upstreams refuse. */
export function text(value: string | null | undefined): TextPart[] {
  return value ? [{ type: 'text', text: value }] : []
}

/** The string of this name, if there is one. */
export function member(value: unknown, name: string): string | undefined {
  const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
  return typeof found === 'string' ? found : undefined
}
