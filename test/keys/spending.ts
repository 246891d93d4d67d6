import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GatewayError } from '../../src/core/errors.ts'
import type { RequestRecord } from '../../src/observe/record.ts'
import { characterMeter } from '../support/bills.ts'
import { manualClock } from '../support/clock.ts'
import { exact, type House, keyHouse, priced } from './support.ts'

const houses: House[] = []
const folders: string[] = []

export async function closeHouses() {
  for (const house of houses.splice(0)) await house.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
}

export async function house(options: { path?: string } = {}): Promise<House> {
  const made = await keyHouse({ clock: manualClock(), ...options })
  houses.push(made)
  return made
}

export function file(): string {
  const folder = mkdtempSync(join(tmpdir(), 'zai2api-keys-'))
  folders.push(folder)
  return join(folder, 'keys.sqlite')
}

/** Reserves for a call with a prompt of 10 tokens. */
export async function reserve({ ledger }: House, record: RequestRecord, maxTokens: number | undefined, prompt = 10) {
  const spending = ledger.spendingOf(record)
  if (spending === undefined) throw new Error('no budget')
  const meter = characterMeter()
  record.calls.push(meter)
  return await spending.reserve({
    model: priced,
    prompt: { most: prompt, likely: prompt },
    maxTokens,
    longestReply: exact,
    meter,
  })
}

export async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'granted',
    (thrown) => (thrown instanceof GatewayError ? `${thrown.status} ${thrown.code}` : String(thrown)),
  )
}

/** The request ends, and its last call has cost what its upstream says. */
export async function end(home: House, record: RequestRecord, inputTokens: number, outputTokens: number, cached = 0) {
  const usage = { inputTokens, outputTokens, ...(cached > 0 ? { cachedInputTokens: cached } : {}) }
  record.calls.at(-1)?.reported(usage)
  await home.ledger.settle(record)
}
