import { demo } from './cli/commands/demo.ts'
import { doctor } from './cli/commands/doctor/index.ts'
import { env } from './cli/commands/env.ts'
import { key } from './cli/commands/key.ts'
import { launch } from './cli/commands/launch.ts'
import { models } from './cli/commands/models.ts'
import { quota } from './cli/commands/quota.ts'
import { serve } from './cli/commands/serve.ts'
import { setup } from './cli/commands/setup.ts'
import { runCli } from './cli/index.ts'
import { systemIo } from './cli/io.ts'
import { version } from './version.ts'

const commands = { setup, serve, demo, models, quota, key, launch, env, doctor }

// A command is over when it says so, not when nothing but timers is left: the clock's do not hold the process.
setInterval(() => {}, 2 ** 30)
const io = systemIo(version)
runCli(process.argv.slice(2), io, commands).then(async (code) => {
  await io.stdoutWritten()
  process.exit(code)
})
