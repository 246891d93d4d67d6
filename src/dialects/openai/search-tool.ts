import type { SearchOptions } from '../../core/request.ts'
import { type Fields, fieldsOf, textOr } from './json-fields.ts'

/** A tool for the web search may have Z.AI's own form, which has a switch and options in `web_search`. */
export function isSearchOn({ web_search }: Fields): boolean {
  const { enable } = fieldsOf(web_search)
  return enable !== false && enable !== 'false' && enable !== 0
}

export function searchDomain({ search_domain_filter }: Fields): string[] | undefined {
  const domain = textOr(search_domain_filter)
  return domain === '' ? undefined : [domain]
}

/** Z.AI's own options, and OpenAI's option with the same meaning. Z.AI has no value below `medium`. */
export function searchOptions(nested: Fields, contextSize: unknown): SearchOptions | undefined {
  const { search_engine, search_query, search_prompt, search_recency_filter, content_size } = nested
  const options: SearchOptions = {
    engine: textOr(search_engine) || undefined,
    query: textOr(search_query) || undefined,
    prompt: textOr(search_prompt) || undefined,
    recency: textOr(search_recency_filter) || undefined,
    contentSize: textOr(content_size) || (contextSize === 'high' ? 'high' : undefined),
    count: typeof nested.count === 'number' ? nested.count : undefined,
    required: typeof nested.require_search === 'boolean' ? nested.require_search : undefined,
  }
  return Object.values(options).every((value) => value === undefined) ? undefined : options
}
