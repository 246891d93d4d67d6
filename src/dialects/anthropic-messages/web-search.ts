import type { ServerTool, WebSource } from '../../core/events.ts'
import type { ReplyHead } from '../../core/reply-encoder.ts'

/** A search as the two blocks that clients count: the query and the results. */
export interface SearchBlocks {
  use: { type: 'server_tool_use'; id: string; name: 'web_search'; input: { query: string }; caller: object }
  result: { type: 'web_search_tool_result'; tool_use_id: string; content: object[]; caller: object }
}

const caller = { type: 'direct' }

/** `index` counts the searches of the reply. Source: the blocks of the official API, SDK 1.12. */
export function searchBlocks(head: ReplyHead, index: number, { query = '', sources }: ServerTool): SearchBlocks {
  const id = `srvtoolu_${head.id.replace(/^msg_/, '')}_${index}`
  return {
    use: { type: 'server_tool_use', id, name: 'web_search', input: { query }, caller },
    result: { type: 'web_search_tool_result', tool_use_id: id, content: sources.map(resultOf), caller },
  }
}

function resultOf(source: WebSource): object {
  const { title, url } = source
  return { type: 'web_search_result', url, title: title || url, encrypted_content: opaque(source), page_age: null }
}

/** The text that the model read on the page is not known, so the title takes its place. */
export function citationOf(source: WebSource): object {
  const { title, url } = source
  const named = title || url
  return {
    type: 'web_search_result_location',
    url,
    title: named,
    encrypted_index: opaque(source),
    cited_text: named,
  }
}

/** Clients send it back unread. It holds no secret. */
function opaque({ refId, url }: WebSource): string {
  return Buffer.from(`zai2api/1 ${refId} ${url}`).toString('base64')
}
