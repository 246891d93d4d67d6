import type { ServerTool, WebSource } from '../../core/events.ts'
import { parseJson } from '../../core/json.ts'
import { readJson } from '../../json/lenient-json.ts'
import { searchArguments, searchResult, toolBlock } from './schema.ts'

/** A tool that the backend ran, before it is known what it means to the client. */
export type RanTool = Omit<ServerTool, 'kind' | 'query'>

/**
 * Reads a tool that the backend ran from its block in the message, with JSON as models write it; `undefined` if it cannot
 * be read. `round` is the number of results before it.
 */
export function blockTool(json: string, round: number): RanTool | undefined {
  const block = parseJson(json) ?? readJson(json)?.[0]
  if (!toolBlock.Check(block)) return undefined
  const { metadata, browser } = block.data
  const listed = (browser?.search_result ?? []).flatMap((result) =>
    searchResult.Check(result) ? [{ refId: result.ref_id, title: result.title ?? '', url: result.url }] : [],
  )
  return {
    id: metadata.id ?? '',
    name: metadata.name,
    arguments: textOf(metadata.arguments),
    sources: listed.length > 0 ? listed : sourcesIn(textOf(metadata.result), round),
  }
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const source = /\[ref_id=([^†\]\n]+)†([^†\n]*)†([^\s\]]+)\]|【(\d+)†([^†\n]*)†([^\s】]+)】/g

/**
 * The pages in a result text: `[ref_id=turn0search0†Title†URL]`, or `【1†Title†URL】` in the older form. The numbers of
 * the older form start again in every round: the first page of the first round is the one marked `turn0search0`.
 */
export function sourcesIn(result: string, round: number): WebSource[] {
  return Array.from(result.matchAll(source), ([, refId, title = '', url = '', number, oldTitle = '', oldUrl = '']) =>
    refId === undefined
      ? { refId: `turn${round}search${Number(number) - 1}`, title: oldTitle, url: oldUrl }
      : { refId, title, url },
  )
}

const searchNames: ReadonlySet<string> = new Set(['search', 'web_search', 'search_web'])

/**
 * What a tool is to the client. It is a web search if it found pages, whatever its name, or if it has the name of a
 * search tool and a query. Opening a page and searching for images yield no pages.
 */
export function meaningOf({ name, arguments: args, sources }: RanTool): Pick<ServerTool, 'kind' | 'query'> {
  const query = queryIn(parseJson(args))
  const isSearch = sources.length > 0 || (searchNames.has(name) && query !== undefined)
  return { kind: isSearch ? 'web-search' : 'other', ...(query === undefined ? {} : { query }) }
}

/** Shapes seen so far: `{"search_query":[{"q":"…"}]}`, `{"queries":["…"]}` and `{"query":"…"}`. */
function queryIn(args: unknown): string | undefined {
  if (!searchArguments.Check(args)) return undefined
  const { query, queries = [], search_query = [] } = args
  const asked = [...(query === undefined ? [] : [query]), ...queries, ...search_query.map(({ q }) => q)]
  return asked.length === 0 ? undefined : asked.join('; ')
}
