// A process that changes one limit of the key `shared` of a file 30 times, and makes 30 keys whose names others want, too.
// Prints how many changes were lost and how many keys it made.
import { systemClock } from '../../src/async/system-clock.ts'
import { keyHouse } from './support.ts'

const [path = '', limit = ''] = process.argv.slice(2)
const home = await keyHouse({ path, clock: systemClock })
const current = async () => Object(await home.keys.show('shared'))[limit]
let lost = 0
let made = 0
for (let count = 1; count <= 30; count++) {
  await home.keys.change('shared', { [limit]: count })
  await home.keys.create({ name: `key ${count}` }).then(
    () => made++,
    () => {},
  )
  if ((await current()) !== count) lost++
}
process.stdout.write(JSON.stringify({ lost, made }))
process.exit(0)
