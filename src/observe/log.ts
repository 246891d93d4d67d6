import { jsonLinesFormatter, type LogRecord } from '@logtape/logtape'
import { redactByPattern } from '@logtape/redaction'
import type { Redact } from '../core/redact.ts'

/** Each says what those behind it say, too. */
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
  /** Asked for every line. */
  level: () => LogLevel
  format: 'text' | 'json'
  /** Milliseconds since 1970. */
  now: () => number
  /** Takes the operator's own secrets out of a line. */
  redact: Redact
  /**
   * Where lines go; each is written when it is asked for, and ends in a line break. What warns does not wait; all else
   * may, for a moment: with many in a row, what writes them is in the processor's caches (6 % of a short request).
   */
  write: (line: () => string, mayWait: boolean) => void
}

/**
 * What keys look like, whoever they belong to. Nothing here logs them: this is the net under the rope. Several
 * patterns, because the engine looks for all as one five times as long (500 ns a line, Bun 1.4.5).
 */
const secrets = [
  // Web tokens, also those that were cut short: what is in their middle can be read by anybody.
  { pattern: /eyJ[\w-]*\.[\w-]*(?:\.[\w-]*)?/g, replacement: '[token]' },
  { pattern: /\b(?:sk|key)-[\w-]{8,}/g, replacement: '[key]' },
  { pattern: /\b[0-9a-f]{32}\.[\w-]{8,}/g, replacement: '[key]' },
]

/**
 * The operator's log: one line a thing that happened, on standard error, so that standard output stays free for
 * what a command prints. Never prompts, replies or credentials.
 *
 * Lines are LogTape's; its loggers are left out, for they take as long as all that is done with a line here.
 */
export function createLog({ level, format, now, redact, write }: LogOptions): Log {
  const formatted = redactByPattern(format === 'json' ? jsonLinesFormatter : textLines(), secrets)
  return { debug: writeLine('debug'), info: writeLine('info'), warn: writeLine('warn'), error: writeLine('error') }

  function writeLine(severity: keyof Log): Log[keyof Log] {
    const mayWait = severity === 'debug' || severity === 'info'
    const category = ['zai2api']
    const name = severity === 'warn' ? 'warning' : severity
    return (message, facts = {}) => {
      if (logLevels.indexOf(severity) < logLevels.indexOf(level())) return
      const said = { message: [message], rawMessage: message, properties: facts, timestamp: now() }
      write(() => written({ category, level: name, ...said }), mayWait)
    }
  }

  /** Whatever its facts are, a line takes none of those beside it along. */
  function written(record: LogRecord): string {
    try {
      return printable(redact(formatted(record)))
    } catch {
      return printable(formatted({ ...record, properties: { unreadable: Object.keys(record.properties).join() } }))
    }
  }
}

/**
 * What a terminal would obey instead of showing it, as `\u001b`: clients name models and paths, and nobody who reads
 * the log shall see their colours, lines or letters in another order.
 */
function printable(line: string): string {
  const end = line.endsWith('\n') ? line.length - 1 : line.length
  const text = line.slice(0, end)
  if (!unprintable.test(text)) return line
  return text.replace(eachUnprintable, escaped) + line.slice(end)
}

/** Controls, formats (reading direction among them), half characters, separators of lines. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u
const eachUnprintable = new RegExp(unprintable, 'gu')

function escaped(character: string): string {
  return [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
    .join('')
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
