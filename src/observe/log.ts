import { jsonLinesFormatter, type LogRecord } from '@logtape/logtape'
import { redactByPattern } from '@logtape/redaction'
import type { Redact } from '../core/redact.ts'
import { secretPatterns, withoutKeysOfOthers } from './redaction.ts'
import { coloured, localTime, type Terminal } from './short-lines.ts'

/** Each level includes those that follow it. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'off'] as const
export type LogLevel = (typeof logLevels)[number]

/** `short` is what the short format has instead of message and facts. */
type WriteLine = (message: string, facts?: Facts, short?: () => string) => void

export const logFormats = ['auto', 'short', 'text', 'json'] as const
export type LogFormat = (typeof logFormats)[number]

export interface Log {
  debug: WriteLine
  info: WriteLine
  warn: WriteLine
  error: WriteLine
}

export type Facts = Record<string, unknown>

export interface LogOptions {
  /** Called for every line, so that the level can change. */
  level: () => LogLevel
  /** `auto` is `short` on a terminal and `text` elsewhere. */
  format: LogFormat
  /** What the lines are shown on; absent for a file or a pipe. */
  terminal?: Terminal | undefined
  /** Milliseconds since 1970. */
  now: () => number
  /** Removes the operator's own secrets from a line. */
  redact: Redact
  /**
   * Receives each line as a function that formats it, with a line break at its end. Warnings and errors must be written
   * at once. Other lines may wait (`mayWait`): formatting many in a row keeps the code in the processor's caches, which
   * saves 6 % of a short request.
   */
  write: (line: () => string, mayWait: boolean) => void
}

/**
 * The operator's log, one line for each event. It is written to standard error, so that standard output is free for the
 * output of commands. It never contains prompts, replies or credentials.
 *
 * Lines are formatted by LogTape. Its loggers are not used, because they would double the time that a line takes.
 */
export function createLog({ level, format, terminal, now, redact, write }: LogOptions): Log {
  const isShort = format === 'short' || (format === 'auto' && terminal !== undefined)
  const formatter = format === 'json' ? jsonLinesFormatter : isShort ? shortLine : textLines()
  const formatted = redactByPattern(formatter, secretPatterns)
  return { debug: writeLine('debug'), info: writeLine('info'), warn: writeLine('warn'), error: writeLine('error') }

  function writeLine(severity: keyof Log): Log[keyof Log] {
    const mayWait = severity === 'debug' || severity === 'info'
    const category = ['zai2api']
    const name = severity === 'warn' ? 'warning' : severity
    return (message, facts = {}, short) => {
      if (logLevels.indexOf(severity) < logLevels.indexOf(level())) return
      const record = { category, level: name, rawMessage: message, timestamp: now() } as const
      if (!isShort || short === undefined)
        return write(() => lineOf({ ...record, message: [message], properties: facts }), mayWait)
      write(() => lineOf({ ...record, message: [short()], properties: isARequest }), mayWait)
    }
  }

  /** Formats a line. Facts that cannot be formatted are replaced by their names, so that no other line is lost with them. */
  function lineOf(record: LogRecord): string {
    const line = printable(plainLine(record))
    return isShort && terminal === 'colour' ? coloured(line, record.level) : line
  }

  function plainLine(record: LogRecord): string {
    try {
      return withoutKeysOfOthers(redact(formatted(record)))
    } catch {
      return formatted({ ...record, properties: { unreadable: Object.keys(record.properties).join() } })
    }
  }
}

/**
 * Escapes characters that would control a terminal, as in `\u001b`. Names of models and paths come from clients, which
 * must not be able to colour, fake or reorder lines of the log.
 */
function printable(line: string): string {
  const end = line.endsWith('\n') ? line.length - 1 : line.length
  const text = line.slice(0, end)
  if (!unprintable.test(text)) return line
  return text.replace(eachUnprintable, escaped) + line.slice(end)
}

/** Control characters, format characters such as text direction, lone surrogates, line and paragraph separators. */
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
  return ({ timestamp, level, message, properties }) =>
    `${timeOf(timestamp)} ${levelText(level)} ${message.join('')}${factsText(properties)}\n`
}

/** `08:30:00 info  ready models=12`, and a request as its own short text has it. */
function shortLine({ timestamp, level, message, properties }: LogRecord): string {
  const severity = properties === isARequest ? '' : `${levelText(level)} `
  return `${localTime(timestamp)} ${severity}${message.join('')}${factsText(properties)}\n`
}

/** The facts of a line that has them in its message. */
const isARequest: Facts = {}

function levelText(level: LogRecord['level']): string {
  return (level === 'warning' ? 'warn' : level).padEnd(5)
}

function factsText(facts: Facts): string {
  let text = ''
  for (const name in facts) if (facts[name] !== undefined) text += ` ${name}=${fact(facts[name])}`
  return text
}

/** Formats a time to the second. The last text is kept, because many lines share a second. */
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
