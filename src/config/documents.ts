import { groups, type Setting } from './setting.ts'
import { flagOf, settingList } from './table.ts'
import { type ConfigurableKind, fieldsOf, type RowField } from './upstream-rows.ts'

/** The settings of each group with the group's title, in the table's order. */
export function grouped(): { title: string; members: Setting[] }[] {
  return Object.entries(groups).map(([group, title]) => ({
    title,
    members: settingList.filter((setting) => setting.group === group),
  }))
}

/** What a document says in its language. */
export interface TableWords {
  head: readonly [variable: string, flag: string, byDefault: string, meaning: string]
  about: (setting: Setting) => string
  /** What a value has to be. */
  rule: (setting: Setting) => string
}

const english: TableWords = {
  head: ['Variable', 'Flag', 'Default', 'Meaning'],
  about: ({ about }) => about,
  rule,
}

/** The table of docs/configuration.md, as Markdown. */
export function configurationTable({ head, about, rule }: TableWords = english): string {
  const rows = settingList.map((setting) => {
    const flag = flagOf(setting)
    const cells = [
      code(setting.env),
      flag === undefined ? '' : code(`--${flag}`),
      setting.default === '' ? '' : code(setting.default),
      `${escaped(about(setting))} ${escaped(rule(setting))}`,
    ]
    return `| ${cells.join(' | ')} |`
  })
  return [`| ${head.join(' | ')} |`, '|---|---|---|---|', ...rows, ''].join('\n')
}

/** What a document says about fields of `[[upstreams]]` in its language. */
export interface RowWords {
  head: readonly [kind: string, field: string, byDefault: string, meaning: string]
  required: string
  about: (field: RowField) => string
  /** What a value has to be. */
  rule: (field: RowField) => string
}

const englishRows: RowWords = {
  head: ['Kind', 'Field', 'Default', 'Meaning'],
  required: 'required',
  about: ({ about }) => about,
  rule: ({ allowed }) => `Must be ${allowed}.`,
}

/** The table of docs/upstreams.md, as Markdown: every field of a row of `[[upstreams]]`, kind by kind. */
export function upstreamRowsTable(kinds: readonly ConfigurableKind[], words: RowWords = englishRows): string {
  const { head, required, about, rule } = words
  const rows = kinds.flatMap(({ id, row }) =>
    (row === undefined ? [] : fieldsOf(row)).map((field) => {
      const byDefault = field.isRequired ? required : field.byDefault === undefined ? '' : code(field.byDefault)
      const meaning = `${escaped(about(field))} ${escaped(rule(field))}`
      return `| ${[code(id), code(field.name), byDefault, meaning].join(' | ')} |`
    }),
  )
  return [`| ${head.join(' | ')} |`, '|---|---|---|---|', ...rows, ''].join('\n')
}

/** The whole of `.env.example`: every assignment is commented out and shows the default. */
export function envExample(): string {
  const head = [
    '# Copy to .env and uncomment what you change. A flag or a variable of the environment wins over this file,',
    '# this file wins over zai2api.toml (same names in lower case).',
  ]
  const sections = grouped().map(({ title, members }) =>
    [
      `# --- ${title} ---`,
      ...members.map((setting) => `\n# ${setting.about}\n# ${rule(setting)}\n#${assignment(setting)}`),
    ].join('\n'),
  )
  return `${[head.join('\n'), ...sections].join('\n\n')}\n`
}

/** `Must be a whole number, 1 or more.` */
function rule(setting: Setting): string {
  return `Must be ${setting.kind.allowed}.`
}

function assignment(setting: Setting): string {
  const value = setting.default || (setting.example ?? '')
  return `${setting.env}=${/[\s#'"`]/.test(value) ? `'${value}'` : value}`
}

function code(text: string): string {
  return `\`${text}\``
}

/** Escapes what Markdown would interpret: `|` ends a cell, `*` begins emphasis, `<` begins HTML. */
function escaped(text: string): string {
  return text.replace(/[|*<]/g, '\\$&')
}
