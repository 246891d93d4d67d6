import { describe, expect, test } from 'bun:test'
import { type MessageBuffer, messageBuffer } from '../../../src/upstreams/zai-web/message-buffer.ts'

/** A reader that keeps the text, and counts how much it was given to read. */
function readerOf() {
  let text = ''
  let units = 0
  const reader = {
    read(piece: string) {
      text += piece
      units += piece.length
    },
    save: () => text,
    restore(before: string) {
      text = before
    },
  }
  return { reader, text: () => text, units: () => units }
}

type Step = string | number

function play(buffer: MessageBuffer, steps: readonly Step[]): void {
  for (const step of steps) {
    if (typeof step === 'number') buffer.rewind(step)
    else buffer.append(step, false)
  }
}

describe('the buffer', () => {
  test.each<[string, Step[], string]>([
    ['appends', ['abc', 'def'], 'abcdef'],
    ['keeps the head of a chunk', ['abcdef', 2, 'x'], 'abx'],
    ['keeps whole chunks before the cut', ['ab', 'cd', 'ef', 3, 'x'], 'abcx'],
    ['cuts between two chunks', ['ab', 'cd', 2, 'x'], 'abx'],
    ['starts anew at 0', ['ab', 'cd', 0, 'x'], 'x'],
    ['starts anew below 0', ['ab', -3, 'x'], 'x'],
    ['appends at its length', ['ab', 2, 'x'], 'abx'],
    ['appends beyond its length', ['ab', 9, 'x'], 'abx'],
    ['rewinds twice', ['abcdef', 4, 'xy', 5, 'z', 1, 'q'], 'aq'],
    ['counts UTF-16 units', ['a🌡b', 3, 'x'], 'a🌡x'],
    ['cuts before a pair', ['a🌡b', 2, 'x'], 'ax'],
    ['cuts before a pair in two chunks', ['a\ud83c', '\udf21b', 2, 'x'], 'ax'],
    ['keeps half a pair whose other half is still to come', ['a\ud83c', 2, '\udf21'], 'a🌡'],
    ['cuts in a long append', ['x'.repeat(3000), 2500, 'y'], `${'x'.repeat(2500)}y`],
  ])('%s', (_name, steps, expected) => {
    const { reader, text } = readerOf()
    play(messageBuffer(reader), steps)
    expect(text()).toBe(expected)
  })

  test('an append is read once, however long the message is', () => {
    const { reader, units } = readerOf()
    play(
      messageBuffer(reader),
      Array.from({ length: 20_000 }, () => 'abc'),
    )
    expect(units()).toBe(60_000)
  })

  test('a rewind reads less than a chunk again, however long the message and its chunks are', () => {
    const { reader, units } = readerOf()
    const buffer = messageBuffer(reader)
    play(buffer, ['x'.repeat(500_000)])
    const before = units()
    for (let turn = 1; turn <= 100; turn++) play(buffer, [500_000 - turn * 10, 'y'])
    expect(units() - before).toBeLessThan(100 * 1025)
  })
})
