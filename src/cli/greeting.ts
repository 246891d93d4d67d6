import type { Config } from '../config/load.ts'
import { kindOf } from '../config/upstream-rows.ts'
import { defaultModel } from '../core/default-models.ts'
import { upstreamKinds } from '../upstreams/index.ts'
import type { UpstreamKinds } from '../upstreams/upstream-kind.ts'
import { installed, programNames } from './client-programs.ts'
import type { Io } from './io.ts'
import { promptRecipients } from './recipients.ts'

/** The facts that a server prints once its port is open. */
export interface Started {
  /** `http://127.0.0.1:8080` */
  url: string
  config: Config
  io: Io
}

/** One line and the note of the first upstream: what `serve` prints without a terminal. */
export function readyLine(started: Started, kinds: UpstreamKinds = upstreamKinds): string {
  const { url, config, io } = started
  const upstreams = config.upstreams.map(({ id }) => id).join(', ')
  const note = noteOf(started, kinds)
  const ready = `zai2api ${io.version} listening on ${url} (upstream ${upstreams}; page at ${url}/, docs at ${url}/docs)\n`
  const open = isOpen(config) ? `Without AUTH_TOKEN any key opens it, from this machine: ${beforeOthers('one')}\n` : ''
  return `${ready}${open}${note === undefined ? '' : `${note}\n`}`
}

/** What `serve` prints on a terminal: where answers come from, what is missing, the addresses, and a line to try. */
export function greeting(started: Started, kinds: UpstreamKinds = upstreamKinds): string {
  const { url, config, io } = started
  const note = noteOf(started, kinds)
  return columns(`zai2api ${io.version} listening on ${url}`, [
    ['Answers from', promptRecipients(config)],
    ...(note === undefined ? [] : [['Missing', sentences(note)] as const]),
    ...(isOpen(config) ? [['Open to', [`this machine, with any key: ${beforeOthers('AUTH_TOKEN')}`]] as const] : []),
    ...addresses(started),
    ['Stop', ['Ctrl-C']],
  ])
}

/** Whether clients need no key. */
function isOpen({ authToken }: Config): boolean {
  return authToken === undefined
}

/** A proxy that does not say that it is one makes everybody a program of this machine. */
function beforeOthers(key: string): string {
  return `set ${key} before a proxy or a tunnel leads others here.`
}

/** What `demo` prints, with or without a terminal. */
export function demoGreeting(started: Started): string {
  const { url, config, io } = started
  // The key itself is not printed, because terminals keep logs.
  const key = config.authToken === undefined ? 'anything' : '$AUTH_TOKEN'
  return columns(`zai2api ${io.version} demo listening on ${url}: a scripted model, no network, no account`, [
    ['OpenAI SDK', [`base URL ${url}/v1   key ${key}`]],
    ['Anthropic SDK', [`base URL ${url}      key ${key}`]],
    ['Google SDK', [`base URL ${url}      key ${key}`]],
    [
      'curl',
      [
        `curl ${url}/v1/chat/completions -H 'content-type: application/json' \\`,
        `  -H "authorization: Bearer ${key}" \\`,
        `  -d '{"model":"${defaultModel}","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'`,
      ],
    ],
    ...addresses(started),
    ['Markers', [`[think], [tool:NAME], [429], [cut] … in a message steer the model: ${selfOf(io)} demo --help`]],
    ['Stop', ['Ctrl-C']],
  ])
}

/**
 * How this program is called by its user so that its commands reach the gateway at `url`. They look for it at the
 * configured port, so they need the flag unless that is the default. Behind a proxy, `url` may name no port.
 */
export function commandReaching(url: string, { listenPort }: Pick<Config, 'listenPort'>, io: Pick<Io, 'self'>): string {
  const port = new URL(url).port || String(listenPort)
  return `${selfOf(io)}${port === '8080' ? '' : ` --port ${port}`}`
}

function selfOf({ self = 'zai2api' }: Pick<Io, 'self'>): string {
  return self
}

/** What the first upstream has to say. Its note calls the program `zai2api`, whatever its path is. */
function noteOf({ config, io }: Started, kinds: UpstreamKinds): string | undefined {
  const [first] = config.upstreams
  const note = first && kindOf(first, kinds).startNote(first, config)
  return note?.replaceAll('zai2api ', `${selfOf(io)} `)
}

function sentences(text: string): string[] {
  return text.split(/(?<=[.]) (?=[A-Z`])/)
}

type Row = readonly [label: string, lines: readonly string[]]

function addresses({ url, config, io }: Started): Row[] {
  const self = commandReaching(url, config, io)
  const agents = programNames.filter((program) => installed(program, io) !== undefined)
  const clients = agents.length > 0 ? agents : ['env openai']
  return [
    [
      'Page',
      [config.adminToken === undefined && config.authToken === undefined ? `${url}/` : `${url}/ (with the key)`],
    ],
    ['API', [`${url}/docs`]],
    [agents.length > 0 ? 'Your client' : 'A client', clients.map((client) => `${self} ${client}`)],
  ]
}

function columns(title: string, rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([label]) => label.length)) + 3
  const lines = rows.flatMap(([label, texts]) =>
    texts.map((text, at) => `  ${(at === 0 ? label : '').padEnd(width)}${text}`),
  )
  return `${[title, '', ...lines].join('\n')}\n`
}
