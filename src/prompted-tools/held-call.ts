/** Reasoning that is held back from the point where a call may begin, because the call itself is never shown. */
export interface HeldCall {
  /** Returns the part of the reasoning that can be shown now, and holds the rest. */
  push(text: string): string
  /** Returns the held text, and holds nothing any more. */
  release(): string
  readonly text: string
}

export function heldCall(): HeldCall {
  let text = ''
  // The held text begins with the tag of a call: all that follows is held, too, without being looked at.
  let isCall = false

  return {
    push(more) {
      if (isCall) {
        text += more
        return ''
      }
      const all = text + more
      const at = callBeginsAt(all)
      text = all.slice(at)
      isCall = callTags.some((tag) => text.startsWith(tag))
      return all.slice(0, at)
    },
    release() {
      const released = text
      text = ''
      isCall = false
      return released
    },
    get text() {
      return text
    },
  }
}

/** Tags with which models write a call; the first is that of the GLM models. */
const callTags = ['<tool_call', '<function_calls']

/** Index at which a call begins, or may begin; the length of the text if there is none. */
function callBeginsAt(text: string): number {
  const begun = callTags.map((tag) => text.indexOf(tag)).filter((at) => at >= 0)
  if (begun.length > 0) return Math.min(...begun)
  const last = text.lastIndexOf('<')
  return last >= 0 && callTags.some((tag) => tag.startsWith(text.slice(last))) ? last : text.length
}
