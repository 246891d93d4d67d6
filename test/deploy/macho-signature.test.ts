import { expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { signedPages, withoutSignature } from '../../deploy/macho-signature.ts'

const pageSize = 4096
const segmentSize = 72
const commandsEnd = 32 + segmentSize + 16
const codeEnd = 3 * pageSize + 100

/** A Mach-O of four pages, the last one short, with a signature that fits. */
function signedProgram(): Buffer {
  const code = Buffer.alloc(codeEnd, 7)
  code.writeUInt32LE(0xfeedfacf, 0)
  code.writeUInt32LE(2, 16)
  code.writeUInt32LE(segmentSize + 16, 20)
  code.writeUInt32LE(0x19, 32)
  code.writeUInt32LE(segmentSize, 36)
  code.write('__LINKEDIT\0\0\0\0\0\0', 40, 'latin1')
  const signatureSize = 20 + 44 + 4 * 32
  code.writeBigUInt64LE(BigInt(2 * pageSize), 32 + 40)
  code.writeBigUInt64LE(BigInt(pageSize + 100 + signatureSize), 32 + 48)
  code.writeUInt32LE(0x1d, 32 + segmentSize)
  code.writeUInt32LE(16, 32 + segmentSize + 4)
  code.writeUInt32LE(codeEnd, 32 + segmentSize + 8)
  code.writeUInt32LE(signatureSize, 32 + segmentSize + 12)
  return Buffer.concat([code, signatureOf(code)])
}

function signatureOf(code: Buffer): Buffer {
  const head = Buffer.alloc(20)
  for (const [at, value] of [0xfade0cc0, 0, 1, 0, 20].entries()) head.writeUInt32BE(value, at * 4)
  const directory = Buffer.alloc(44)
  directory.writeUInt32BE(0xfade0c02, 0)
  directory.writeUInt32BE(44, 16)
  directory.writeUInt32BE(4, 28)
  directory.writeUInt32BE(code.length, 32)
  directory[37] = 2
  directory[39] = 12
  const hashes = [0, 1, 2, 3].map((page) =>
    createHash('sha256')
      .update(code.subarray(page * pageSize, (page + 1) * pageSize))
      .digest(),
  )
  return Buffer.concat([head, directory, ...hashes])
}

test('every page that is not as it was signed is counted', () => {
  const program = signedProgram()
  expect(signedPages(program)).toEqual({ pages: 4, changed: 0 })
  program[pageSize] = 8
  program[codeEnd - 1] = 8
  expect(signedPages(program)).toEqual({ pages: 4, changed: 2 })
})

test('without its signature a program ends where its code does, and so does its last segment', () => {
  const program = signedProgram()
  const bare = Buffer.from(withoutSignature(program))
  expect(signedPages(bare)).toBeUndefined()
  expect([bare.length, bare.readUInt32LE(16), bare.readUInt32LE(20)]).toEqual([codeEnd, 1, segmentSize])
  expect(bare.readBigUInt64LE(32 + 48)).toBe(BigInt(codeEnd - 2 * pageSize))
  expect(bare.readBigUInt64LE(32 + 32)).toBe(BigInt(2 * pageSize))
  expect(bare.subarray(32 + segmentSize, commandsEnd)).toEqual(Buffer.alloc(16))
  expect(bare.subarray(commandsEnd).equals(program.subarray(commandsEnd, codeEnd))).toBe(true)
  expect(Buffer.from(withoutSignature(bare))).toEqual(bare)
})

test('other files are refused', () => {
  expect(() => signedPages(Buffer.from('#!/bin/sh\n'))).toThrow(RangeError)
  const longer = Buffer.concat([signedProgram(), Buffer.from('behind')])
  expect(() => withoutSignature(longer)).toThrow('the signature is not the end')
})
