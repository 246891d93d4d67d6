import { loadavg } from 'node:os'
import { build } from '../../deploy/build.ts'
import { absolutes, table } from './goals.ts'
import { scratch, startClients, startScript } from './processes.ts'
import { type Measured, round, type Stage } from './rounds.ts'

/**
 * `make bench`: how fast the gateway is beside other things in its place, all in one run on one machine. QUICK=1 takes
 * one short round, ROUNDS another number of them than three, BINARY an executable that is there. BASELINE is another
 * executable, such as the build before a change: it takes every load in turn with ours, and each row tells ours to it.
 * LOADS=agent,burst takes these loads alone (`rounds.ts` lists them).
 *
 * The load "agent" is an agent's hour: a session of 60 turns whose request grows from 80 KB to 900 KB beside 40 tools,
 * each answered by 150 events with a tool call. After a change that is to make it cheaper, its CPU should be 0.9× of the
 * baseline's or less.
 */
const quick = process.env.QUICK === '1'
const roundCount = Number(process.env.ROUNDS ?? (quick ? 1 : 3))
const pace = quick ? { windowMs: 1_500, share: 0.4 } : { windowMs: 2_500, share: 1 }

const binary = process.env.BINARY ?? `${scratch}/zai2api`
if (process.env.BINARY === undefined) await build({ outfile: binary })
const upstream = await startScript('upstream.ts')
const stage: Stage = {
  binary,
  baseline: process.env.BASELINE,
  only: process.env.LOADS?.split(',') ?? [],
  upstream,
  clients: await startClients(),
  guests: await startClients(),
}

// The load of the machine, because on a busy one the ratios vary.
const load = loadavg().map((tasks) => tasks.toFixed(1))[0]
const rounds: Measured[] = []
try {
  for (let number = 1; number <= roundCount; number++) {
    console.error(`round ${number} of ${roundCount}`)
    rounds.push(await round(stage, number, pace, console.error))
  }
} finally {
  stage.clients.stop()
  stage.guests.stop()
  await stage.upstream.stop()
}

const results = `${table(rounds)}\n\n${absolutes(rounds)}\n`
console.log(results)
// What is compared with one executable, or is a part, is not the table that the README tells of.
if (!quick && stage.baseline === undefined && stage.only.length === 0) {
  const machine = `${navigator.hardwareConcurrency} cores, ${process.platform} ${process.arch}, Bun ${Bun.version}`
  const date = new Date().toISOString().slice(0, 10)
  const words = `Written by \`make bench\` on ${date}: ${roundCount} interleaved rounds on ${machine}; load before them ${load}. Figures of one run compare; runs do not.`
  await Bun.write(`${import.meta.dir}/results.md`, `# Speed\n\n${words}\n\n${results}`)
}
process.exit(0)
