import type { LogRecord } from '@logtape/logtape'

/** What a terminal can show. */
export type Terminal = 'plain' | 'colour'

const dim = 2
const green = 32
const yellow = 33
const red = 31

/** `08:30:00`, in the time zone of the reader. */
export function localTime(epochMs: number): string {
  return new Date(epochMs).toTimeString().slice(0, 8)
}

/**
 * Colours the time and the word behind it of a line, which is a status of HTTP or a level. Call it last: what comes from
 * clients must have lost its control characters before.
 */
export function coloured(line: string, level: LogRecord['level']): string {
  const [, time, word = '', rest] = /^(\S+) ( *\S+)(.*)$/s.exec(line) ?? []
  if (time === undefined) return line
  return `${paint(dim, time)} ${paint(colourOf(word, level), word)}${rest}`
}

function colourOf(word: string, level: LogRecord['level']): number {
  const status = Number(word)
  if (level === 'error' || status >= 500) return red
  if (level === 'warning' || status >= 400) return yellow
  return Number.isNaN(status) ? dim : green
}

function paint(colour: number, text: string): string {
  return `\u001b[${colour}m${text}\u001b[0m`
}
