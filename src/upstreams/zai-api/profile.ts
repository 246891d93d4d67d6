import type { Reasoning, SearchRules } from '../../core/request.ts'
import { vendor } from '../../core/vendor.ts'
import { effortWord, type ModelFacts, mostOutputTokens } from '../../models/table.ts'
import { bearer } from '../chat-completions/bearer.ts'
import type { ChatModel } from '../chat-completions/models.ts'
import type { Profile } from '../chat-completions/profile.ts'
import { isCodingPlan, searchEngineOf } from './base-url.ts'
import { type ErrorSettings, usualSettings, zaiErrors } from './errors.ts'
import { preferredModels } from './preferred-models.ts'
import { usualHeaders } from './usual-headers.ts'

/**
 * Z.AI's official API, which accepts only a part of Chat Completions.
 * Source: the vendor's API reference of 2026-07, and refusals that its users report.
 */
export function zaiApiProfile(baseUrl: string, names: ErrorSettings = usualSettings): Profile {
  const codingPlan = isCodingPlan(baseUrl)
  return {
    vendor,
    errors: zaiErrors(names),
    headers: zaiApiHeaders,
    models: {
      // A row such as `zai-org/GLM-4.6-FP8` is about a model of another server.
      offers: ({ id, plan }: ModelFacts) => !id.includes('/') && (plan !== 'coding' || codingPlan),
      // The list also has images and speech: `cogview-4`, `glm-asr`.
      isChatModel: (id) => /^glm-\d/i.test(id),
      offersEmbedder: (id) => isEmbedder(id),
      isEmbedder,
      // Models of the API that are in no list.
      isFamiliar: (name) => /^(glm|chatglm|charglm|autoglm|codegeex)-/i.test(name),
      facts: (facts) => facts,
    },
    // A longer list is refused with 1214, as users report.
    mostEmbeddedTexts: 64,
    request: {
      always: (requestId) => ({ request_id: requestId }),
      maxTools: 128,
      maxTemperature: 1,
      minTopP: 0.01,
      maxOutputTokens: mostOutputTokens,
      // Anything but `auto` is refused: 400, or 1210.
      toolChoice: 'prompted',
      // The API has no `json_schema`: the schema becomes an instruction, besides `json_object`.
      responseFormat: () => ({ response_format: { type: 'json_object' } }),
      schemaInWords: true,
      reasoning: reasoningFields,
      reasoningField: 'reasoning_content',
      webSearch: (rules) => webSearch(searchEngineOf(baseUrl), rules),
      searchResultCount: resultCount,
    },
    enforcesMaxTokens: true,
    searchesBesideTools: true,
    preferred: (table) => preferredModels(table, codingPlan ? 'coding' : 'general'),
  }
}

/** Headers of every request with this key. */
export function zaiApiHeaders(key: string): Record<string, string> {
  return { ...bearer(key), ...usualHeaders }
}

function isEmbedder(id: string): boolean {
  return /^embedding-\d/i.test(id)
}

/** A reasoning budget up to this many tokens means little reasoning: it is what Claude Code's "think" asks for. */
const smallBudget = 4_096

/**
 * Without a setting by the client the model decides, and all models that can reason do so by default. The API has no
 * budget: a small one becomes the lowest effort, a larger one no effort setting.
 */
function reasoningFields(
  { mode, effort, budgetTokens = Number.POSITIVE_INFINITY }: Reasoning,
  { reasoningSwitch, efforts }: ChatModel,
): object {
  if (reasoningSwitch === 'none') return {}
  if (mode === 'off' && reasoningSwitch === 'switch') return { thinking: { type: 'disabled' } }
  const wanted = mode === 'off' ? 'low' : (effort ?? (budgetTokens <= smallBudget ? 'low' : undefined))
  const word = wanted === undefined ? undefined : effortWord(wanted, efforts)
  return {
    thinking: { type: 'enabled', clear_thinking: false },
    ...(word === undefined ? {} : { reasoning_effort: word }),
  }
}

/** The number of search results that the API is asked for: from 1 to 50. */
function resultCount(count: number): number {
  return Math.min(50, Math.max(1, Math.floor(count)))
}

/** The results are requested before the text, so that marks in the text can be turned into links. */
function webSearch(engine: string, rules: SearchRules | undefined): object {
  const { options = {} } = rules ?? {}
  return {
    type: 'web_search',
    web_search: {
      enable: true,
      search_engine: options.engine ?? engine,
      search_result: true,
      result_sequence: 'before',
      // Fields that are `undefined` are left out of the JSON.
      search_domain_filter: onlyDomain(rules),
      search_query: options.query,
      search_prompt: options.prompt,
      search_recency_filter: options.recency,
      content_size: options.contentSize,
      count: options.count === undefined ? undefined : resultCount(options.count),
      require_search: options.required,
    },
  }
}

/** The only allowed domain. The API can search one site, but takes neither several sites nor excluded ones. */
export function onlyDomain(rules: SearchRules | undefined): string | undefined {
  const [domain, ...others] = rules?.allowedDomains ?? []
  return others.length === 0 ? domain : undefined
}
