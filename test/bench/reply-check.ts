import { callPieces, nowMicros, readUnit, type Script, unitLength } from './script.ts'

/** What a client reads: `reference` is what the upstream itself says, `chat` and `messages` are the gateway's dialects. */
export type Speech = 'reference' | 'chat' | 'messages'

/** How a reply ended; `complete` means every byte of its text was there once and in order. */
export type Verdict = 'complete' | 'failed-politely' | 'broken'

export interface ReplyCheck {
  push(bytes: Buffer): void
  verdict(): Verdict
}

export interface ReplyCheckOptions {
  script: Script
  speech: Speech
  streams: boolean
  /** Once for each whole event, in order. */
  onEvent: (sentAtMicros: number, readAtMicros: number) => void
}

const textMarks = { reference: '"content":"', chat: '"content":"', messages: '"text":"' } satisfies Record<
  Speech,
  string
>
const callMarks = {
  reference: /"arguments":"((?:[^"\\]|\\.)+)"/,
  chat: /"arguments":"((?:[^"\\]|\\.)+)"/,
  messages: /"partial_json":"((?:[^"\\]|\\.)+)"/,
} satisfies Record<Speech, RegExp>
const lastEvents = {
  reference: 'data: [DONE]',
  chat: 'data: [DONE]',
  messages: 'event: message_stop',
} satisfies Record<Speech, string>
const errorEvents = { reference: 'no error', chat: 'data: {"error"', messages: 'event: error' } satisfies Record<
  Speech,
  string
>

/** Holds a reply against its script while it comes in. Bytes are compared as bytes: nothing is decoded. */
export function replyCheck({ script, speech, streams, onEvent }: ReplyCheckOptions): ReplyCheck {
  const textMark = textMarks[speech]
  const callMark = callMarks[speech]
  const wantedCall = script.mode === 'call' ? callPieces.join('') : ''
  const lastEvent = lastEvents[speech]
  const errorEvent = errorEvents[speech]
  let held = ''
  // Text of an event that is not whole yet: a relay may cut it where it likes.
  let text = ''
  let events = 0
  let call = ''
  let wrong = false
  let end: 'none' | 'last' | 'error' = 'none'

  return {
    push(bytes) {
      held += bytes.toString('latin1')
      if (!streams) return
      let start = 0
      for (let stop = held.indexOf('\n\n'); stop >= 0; stop = held.indexOf('\n\n', start)) {
        hear(held.slice(start, stop))
        start = stop + 2
      }
      held = held.slice(start)
    },
    verdict() {
      if (!streams) {
        addText(held)
        end = 'last'
      }
      const whole = !wrong && text === '' && events === script.events && call === wantedCall
      if (whole && end === 'last' && (held === '' || !streams)) return 'complete'
      return whole && end === 'error' && script.mode === 'cut' ? 'failed-politely' : 'broken'
    },
  }

  function hear(event: string): void {
    if (end !== 'none') wrong = true
    if (event.startsWith(lastEvent)) end = 'last'
    else if (event.startsWith(errorEvent)) end = 'error'
    else addText(event)
  }

  function addText(json: string): void {
    const mark = json.indexOf(textMark)
    if (mark < 0) {
      if (wantedCall !== '') call += callMark.exec(json)?.[1] ?? ''
      return
    }
    const start = mark + textMark.length
    text += json.slice(start, json.indexOf('"', start))
    const readAt = nowMicros()
    let at = 0
    for (; at + unitLength <= text.length; at += unitLength) {
      const sentAt = readUnit(text.slice(at, at + unitLength), events++)
      if (sentAt === undefined) wrong = true
      else onEvent(sentAt, readAt)
    }
    text = text.slice(at)
  }
}
