import { configure, getLogger, jsonLinesFormatter, type Logger, type LogRecord, reset } from '@logtape/logtape'
import { JWT_PATTERN, redactByPattern } from '@logtape/redaction'

export const logLevels = ['debug', 'info', 'warn', 'error', 'off'] as const
export type LogLevel = (typeof logLevels)[number]

export interface Log {
  debug(message: string, facts?: Facts): void
  info(message: string, facts?: Facts): void
  warn(message: string, facts?: Facts): void
  error(message: string, facts?: Facts): void
}

export type Facts = Record<string, unknown>

export interface LogOptions {
  level: LogLevel
  format: 'text' | 'json'
  /** Where finished lines go; each ends in a line break. What warns does not wait; all else may, for a moment. */
  write: (line: string, mayWait: boolean) => void
}

/**
 * What a key looks like, whoever it belongs to. Nothing here logs keys: this is the net under the rope. Two patterns,
 * because the engine looks for both as one five times as long (500 ns a line, Bun 1.4.5).
 */
const apiKeys = [
  { pattern: /\b(?:sk|key)-[\w-]{8,}/g, replacement: '[key]' },
  { pattern: /\b[0-9a-f]{32}\.[\w-]{8,}/g, replacement: '[key]' },
]

/**
 * The operator's log: one line a thing that happened, on standard error, so that standard output stays free for
 * what a command prints. Never prompts, replies or credentials.
 */
export async function createLog({ level, format, write }: LogOptions): Promise<Log> {
  const formatted = redactByPattern(format === 'json' ? jsonLinesFormatter : textLines(), [JWT_PATTERN, ...apiKeys])
  await reset()
  await configure({
    sinks: { operator: (record) => write(formatted(unpacked(record)), mayWait.has(record.level)) },
    loggers: [
      { category: 'zai2api', sinks: level === 'off' ? [] : ['operator'], lowestLevel: lowest(level) },
      { category: ['logtape', 'meta'], sinks: [], lowestLevel: 'error' },
    ],
  })
  const logger = getLogger('zai2api')
  return {
    debug: say(logger, 'debug'),
    info: say(logger, 'info'),
    warn: say(logger, 'warn'),
    error: say(logger, 'error'),
  }
}

const mayWait: ReadonlySet<LogRecord['level']> = new Set(['debug', 'info'])

/** LogTape looks for placeholders in a message and copies properties one by one; it lets a single object be. */
class Said {
  readonly message: string
  readonly facts: Facts

  constructor(message: string, facts: Facts) {
    this.message = message
    this.facts = facts
  }
}

function say(logger: Logger, level: keyof Log): Log[keyof Log] {
  return (message, facts = {}) => logger[level]('', { said: new Said(message, facts) })
}

function unpacked(record: LogRecord): LogRecord {
  const { category, level, timestamp, rawMessage, properties } = record
  const { said } = properties
  if (!(said instanceof Said)) return record
  return { category, level, timestamp, rawMessage, message: [said.message], properties: said.facts }
}

function lowest(level: LogLevel): 'debug' | 'info' | 'warning' | 'error' | 'fatal' {
  if (level === 'warn') return 'warning'
  return level === 'off' ? 'fatal' : level
}

/** `2026-11-22 08:30:00 info  POST /v1/messages status=200 ms=840` */
function textLines(): (record: LogRecord) => string {
  const timeOf = secondsText()
  return ({ timestamp, level, message, properties }) => {
    let line = `${timeOf(timestamp)} ${(level === 'warning' ? 'warn' : level).padEnd(5)} ${message.join('')}`
    for (const name in properties) if (properties[name] !== undefined) line += ` ${name}=${fact(properties[name])}`
    return `${line}\n`
  }
}

/** Many lines share a second. */
function secondsText(): (epochMs: number) => string {
  let second = Number.NaN
  let text = ''
  return (epochMs) => {
    if (Math.floor(epochMs / 1000) !== second) {
      second = Math.floor(epochMs / 1000)
      text = new Date(epochMs).toISOString().slice(0, 19).replace('T', ' ')
    }
    return text
  }
}

function fact(value: unknown): string {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null'
  if (value instanceof Error) return JSON.stringify(value.stack ?? value.message)
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}
