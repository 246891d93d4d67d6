// A process that makes 100 calls at once with the key of a file, and prints how many were granted.
import { systemClock } from '../../src/async/system-clock.ts'
import { characterMeter } from '../support/bills.ts'
import { exact, keyHouse, priced } from './support.ts'

const [path = '', secret = ''] = process.argv.slice(2)
const home = await keyHouse({ path, clock: systemClock })
const calls = Array.from({ length: 100 }, () =>
  home.ledger.spendingOf(home.request(secret))?.reserve({
    model: priced,
    prompt: { most: 10, likely: 10 },
    maxTokens: 10,
    longestReply: exact,
    meter: characterMeter(),
  }),
)
const granted = (await Promise.allSettled(calls)).filter(({ status }) => status === 'fulfilled').length
process.stdout.write(String(granted))
process.exit(0)
