import fc from 'fast-check'
import { targets } from './targets.ts'

// make fuzz: every target gets an equal share of FUZZ_SECONDS, with another seed in every run.
const seconds = Number(process.env.FUZZ_SECONDS || 60)
const seed = Number(process.env.FUZZ_SEED || Date.now() % 2 ** 31)
const doors = targets()
const shareMs = (seconds * 1000) / doors.length

console.log(`seed ${seed}, ${seconds} s\n`)
console.log(`${'input'.padEnd(28)}${'tried'.padStart(10)}${'seconds'.padStart(9)}  result`)
let harmed = 0
for (const { name, property, close } of doors) {
  const startedAt = performance.now()
  const details = await fc.check(property, {
    seed,
    numRuns: 2 ** 31 - 1,
    interruptAfterTimeLimit: shareMs,
    markInterruptAsFailure: false,
  })
  const took = (performance.now() - startedAt) / 1000
  const harm = details.failed && details.numRuns > 0
  if (harm) harmed++
  console.log(
    `${name.padEnd(28)}${details.numRuns.toLocaleString('en').padStart(10)}${took.toFixed(1).padStart(9)}  ${harm ? 'HARM' : 'unharmed'}`,
  )
  if (harm)
    console.log(
      `  ${String(details.errorInstance).slice(0, 300)}\n  path ${details.counterexamplePath}: ${fc.stringify(details.counterexample).slice(0, 1_000)}`,
    )
  await close?.()
}
process.exit(harmed === 0 ? 0 : 1)
