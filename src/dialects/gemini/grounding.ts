import { citationFinder } from '../../core/citations.ts'
import type { ServerTool, WebSource } from '../../core/events.ts'

/** Collects the searches of a reply for `groundingMetadata`. */
export interface Grounding {
  add(tool: ServerTool): void
  /** Called with each text block of the answer, once it is complete. */
  addText(text: string): void
  /** `undefined` if nothing was searched for. */
  metadata(): object | undefined
}

/**
 * The pages that were read and the links to them in the answer. Offsets count bytes of the whole answer, without
 * thoughts.
 */
export function grounding(): Grounding {
  const pages = citationFinder()
  const queries: string[] = []
  const sources: WebSource[] = []
  const supports: object[] = []
  let bytes = 0
  let searches = 0
  return {
    add({ query, sources: found }) {
      searches++
      if (query) queries.push(query)
      pages.learn(found)
      for (const source of found) if (!sources.some(({ url }) => url === source.url)) sources.push(source)
    },
    addText(text) {
      pages.restart()
      for (const { start, end, source } of pages.push(text)) {
        const startIndex = bytes + Buffer.byteLength(text.slice(0, start))
        const cited = text.slice(start, end)
        supports.push({
          segment: { startIndex, endIndex: startIndex + Buffer.byteLength(cited), text: cited },
          groundingChunkIndices: [sources.findIndex(({ url }) => url === source.url)],
        })
      }
      bytes += Buffer.byteLength(text)
    },
    metadata: () =>
      searches === 0
        ? undefined
        : {
            webSearchQueries: queries,
            groundingChunks: sources.map(({ title, url }) => ({ web: { uri: url, title: title || url } })),
            groundingSupports: supports,
          },
  }
}
