// First, since it may start the executable anew.
import './server/fetch-limit.ts'

import { demo } from './cli/demo.ts'
import { doctor } from './cli/doctor/index.ts'
import { env } from './cli/env.ts'
import { runCli } from './cli/index.ts'
import { systemIo } from './cli/io.ts'
import { launch } from './cli/launch.ts'
import { models } from './cli/models.ts'
import { quota } from './cli/quota.ts'
import { serve } from './cli/serve.ts'
import { version } from './version.ts'

const commands = { serve, demo, models, quota, launch, env, doctor }

// A command is over when it says so, not when nothing but timers is left: the clock's do not hold the process.
setInterval(() => {}, 2 ** 30)
runCli(process.argv.slice(2), systemIo(version), commands).then((code) => process.exit(code))
