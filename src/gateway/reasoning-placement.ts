import type { Delta } from '../core/events.ts'
import type { Transform } from '../core/transform.ts'

/** Where reasoning goes: its own place in the dialect, tags in the text, nowhere, or the web backend's own markup. */
export const reasoningModes = ['think', 'tags', 'strip', 'raw'] as const
export type ReasoningMode = (typeof reasoningModes)[number]

interface Wrapping {
  open: string
  close: string
  /** Put in front of every line. */
  quote: string
}

const wrappings: Record<'tags' | 'raw', Wrapping> = {
  tags: { open: '<thinking>\n', close: '\n</thinking>\n\n', quote: '' },
  // As chat.z.ai writes it once the thinking is over.
  raw: { open: '<details type="reasoning" done="true">\n> ', close: '\n</details>\n', quote: '> ' },
}

/** Moves reasoning to where `mode` wants it. */
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
  // Line breaks at either edge of the reasoning would stand between the tags and the words.
  let breaks = ''
  return {
    push(delta, out) {
      if (delta.type === 'reasoning') {
        const text = breaks + delta.text
        const words = inside ? text : text.replace(/^[\r\n]+/, '')
        const body = words.replace(/[\r\n]+$/, '')
        breaks = words.slice(body.length)
        if (body === '') return
        out.push({ type: 'text', text: (inside ? '' : open) + body.replaceAll('\n', `\n${quote}`) })
        inside = true
        return
      }
      if (delta.type !== 'usage') leave(out)
      out.push(delta)
    },
    end: leave,
    passthrough: (kind) => kind === 'text' && !inside,
  }

  function leave(out: Delta[]): void {
    if (inside) out.push({ type: 'text', text: close })
    inside = false
    breaks = ''
  }
}
