import { Database as Connection } from 'bun:sqlite'

// Locks a file, says so, and lets go of it once its input ends.
const [path = '', mode = 'EXCLUSIVE'] = process.argv.slice(2)
const connection = new Connection(path)
connection.run(`BEGIN ${mode}`)
await Bun.write(Bun.stdout, 'locked\n')
await Bun.stdin.text()
connection.run('ROLLBACK')
connection.close()
