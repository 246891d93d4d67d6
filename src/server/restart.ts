/**
 * A server executes itself once more in the same process, with the variables that Bun reads before any code runs:
 * process id, arguments and open files stay. This file is imported for that effect, before anything else, and with
 * little else, because what has been loaded is loaded again. Windows has no `execve`: there the operator has to set the
 * variables.
 */
import { runtimeVariables } from './runtime-variables.ts'

const compiled = import.meta.path.startsWith('/$bunfs/')
const [command = 'serve'] = process.argv.slice(2)
const isServer = command === 'serve' || command.startsWith('--')

// Not from source, because `execPath` is Bun then, without the script. The Makefile sets the variables there.
if (compiled && isServer && process.execve) {
  const wanted = runtimeVariables(process.env)
  // A variable that the user has set is kept, and at the second start all of them are set.
  if (Object.keys(wanted).some((name) => process.env[name] === undefined)) {
    try {
      const own = Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
      const env = { ...wanted, ...Object.fromEntries(own) }
      process.execve(process.execPath, [process.execPath, ...process.argv.slice(2)], env)
    } catch {
      // It works without them, with more CPU and at most 256 requests at a time.
    }
  }
}
