/** How the scripted upstream answers. The script is in the last user message, so it passes through every gateway. */
export interface Script {
  /**
   * One event every `gapMs`; as fast as the socket takes them; the same, and then a call of a tool in as many events as
   * `callPieces`; all in one write; the same, then a closed socket.
   */
  mode: 'paced' | 'burst' | 'call' | 'whole' | 'cut'
  events: number
}

/** Between two events of a paced reply. */
export const gapMs = 50

export function scriptText({ mode, events }: Script): string {
  return `bench:${mode}:${events};`
}

/** The script of a request body, searched from its end: the history before it may be megabytes. */
export function scriptIn(body: Buffer): Script {
  const from = Math.max(0, body.lastIndexOf('bench:'))
  const [, mode, events] =
    /^bench:(paced|burst|call|whole|cut):(\d+);/.exec(body.toString('latin1', from, from + 60)) ?? []
  switch (mode) {
    case 'paced':
    case 'burst':
    case 'call':
    case 'whole':
    case 'cut':
      return { mode, events: Number(events) }
    default:
      throw new Error('a request without a script')
  }
}

/**
 * The text of one event as it stands in JSON, one byte a character: number, the time it was sent, and a tail with
 * letters of two and three bytes and an escape. All have the same length, so a reader can check them wherever they
 * are cut.
 */
export function unit(number: number, sentAtMicros: number): string {
  return `${String(number).padStart(6, '0')} ${String(sentAtMicros).padStart(16, '0')} ${tail}`
}

/** The arguments of the call, as they stand in JSON: a string in a string. */
export const callPieces: readonly string[] = [
  '{\\"path\\":\\"',
  ...Array.from({ length: 48 }, () => 'src/part/'),
  '\\"}',
]

const tail = Buffer.from('né—\\n').toString('latin1')
export const unitLength = unit(0, 0).length

/** The time at which the unit was sent; `undefined` when it is not the unit of that number, byte for byte. */
export function readUnit(text: string, number: number): number | undefined {
  const sentAtMicros = Number(text.slice(7, 23))
  return text === unit(number, sentAtMicros) ? sentAtMicros : undefined
}

/** Wall-clock time, because it is compared between processes, and monotonic clocks differ between them. */
export function nowMicros(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000)
}
