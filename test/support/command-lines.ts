import { env } from '../../src/cli/commands/env.ts'
import { launch } from '../../src/cli/commands/launch.ts'
import { readConfigFile } from '../../src/cli/config-files.ts'
import { runCli } from '../../src/cli/index.ts'
import { type Io, realPath } from '../../src/cli/io.ts'

// Runs command lines one after the other in one process, because a process takes half a second of CPU time to start.
// Each is a line of standard input: `{ "args", "env", "cwd" }` as JSON. When it has ended, a line of standard output has
// its exit code and its standard error; what it writes to standard output, and what its client does, comes before.

const unused = () => Promise.reject(new Error('only launch and env are run here'))
const commands = {
  launch,
  env,
  setup: unused,
  serve: unused,
  demo: unused,
  models: unused,
  quota: unused,
  key: unused,
  doctor: unused,
}

// Each launch adds handlers to the process, because it usually is the only one.
process.setMaxListeners(0)
process.stdout.setMaxListeners(0)

for await (const line of console) {
  let stderr = ''
  const { args, ...surroundings } = JSON.parse(line)
  const io: Io = {
    ...surroundings,
    readFile: readConfigFile,
    realPath: (path) => realPath(path),
    stdout: (text) => void process.stdout.write(text),
    stderr(text) {
      stderr += typeof text === 'string' ? text : text()
    },
    version: 'test',
  }
  const code = await runCli(args, io, commands)
  console.log(JSON.stringify({ code, stderr }))
}
