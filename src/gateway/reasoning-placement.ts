import type { Delta } from '../core/events.ts'
import type { Transform } from '../core/transform.ts'

/**
 * Where reasoning goes:
 * - `think`: into the field or block of the dialect
 * - `tags`: into the text, in `<thinking>` tags
 * - `strip`: nowhere
 * - `raw`: into the text, in the markup of the web backend
 */
export const reasoningModes = ['think', 'tags', 'strip', 'raw'] as const
export type ReasoningMode = (typeof reasoningModes)[number]

interface Wrapping {
  open: string
  close: string
  /** Prefix of every line. */
  quote: string
}

const wrappings: Record<'tags' | 'raw', Wrapping> = {
  tags: { open: '<thinking>\n', close: '\n</thinking>\n\n', quote: '' },
  // The markup of chat.z.ai for finished reasoning.
  raw: { open: '<details type="reasoning" done="true">\n> ', close: '\n</details>\n', quote: '> ' },
}

/** Moves reasoning to the place that `mode` names. */
export function placeReasoning(mode: ReasoningMode): Transform<Delta, Delta> {
  switch (mode) {
    case 'think':
      return { push: (delta, out) => void out.push(delta), end() {}, passthrough: () => true }
    case 'strip':
      return {
        push(delta, out) {
          if (delta.type !== 'reasoning') out.push(delta)
        },
        end() {},
        passthrough: (kind) => kind === 'text',
      }
    case 'tags':
    case 'raw':
      return wrapped(wrappings[mode])
    default:
      return mode satisfies never
  }
}

function wrapped({ open, close, quote }: Wrapping): Transform<Delta, Delta> {
  let inside = false
  // Line breaks at the end of the reasoning so far. They are sent only if more follows, so that none precede the tag.
  let breaks = ''
  return {
    push(delta, out) {
      if (delta.type === 'reasoning') {
        const text = breaks + delta.text
        const words = inside ? text : text.replace(/^[\r\n]+/, '')
        const body = withoutLastBreaks(words)
        breaks = words.slice(body.length)
        if (body === '') return
        out.push({ type: 'text', text: (inside ? '' : open) + body.replaceAll('\n', `\n${quote}`) })
        inside = true
        return
      }
      if (delta.type !== 'usage') closeWrapping(out)
      out.push(delta)
    },
    end: closeWrapping,
    passthrough: (kind) => kind === 'text' && !inside,
  }

  function closeWrapping(out: Delta[]): void {
    if (inside) out.push({ type: 'text', text: close })
    inside = false
    breaks = ''
  }
}

/** A pattern with `$` would take the square of the number of line breaks in the middle. */
function withoutLastBreaks(text: string): string {
  let end = text.length
  while (text[end - 1] === '\n' || text[end - 1] === '\r') end--
  return text.slice(0, end)
}
