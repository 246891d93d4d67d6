import { type ModelFacts, type ModelTable, modelTable } from './table.ts'

/** The table of docs/upstreams.md, as Markdown. */
export function modelsTable(table: ModelTable = modelTable()): string {
  const rows = table.named.map((facts) => `| ${cellsOf(facts).join(' | ')} |`)
  return [
    '| Model | Window | Answer | Takes | Reasoning | Dollars | As of |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function cellsOf(facts: ModelFacts): string[] {
  const { id, contextTokens, maxOutputTokens, input, price, checked } = facts
  return [
    `\`${id}\``,
    thousands(contextTokens),
    thousands(maxOutputTokens),
    [...input].join(', '),
    reasoningOf(facts),
    price === undefined ? '' : [price.input, price.cached ?? '–', price.output].join(' / '),
    checked ?? '',
  ]
}

function reasoningOf({ reasoning, efforts }: ModelFacts): string {
  const word = { never: 'no', switchable: 'on, off', always: 'always', 'built-in': 'always' }[reasoning]
  return efforts.length === 0 ? word : `${word}; ${efforts.join(', ')}`
}

function thousands(tokens: number | undefined): string {
  return tokens?.toLocaleString('en-US') ?? ''
}
