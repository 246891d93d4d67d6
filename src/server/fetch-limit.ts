/**
 * Bun runs at most 256 outgoing requests at a time, unless a variable raises the limit before Bun starts. The executable
 * therefore sets the variable and executes itself again in the same process: process id, arguments and open files stay.
 * This file is imported for that effect, before anything else. The second start takes 15 to 50 ms, so only a server does
 * it, and only if a proxy is set: without one, requests to upstreams do not use Bun's fetch (see `losslessFetch`).
 * Windows has no `execve`: there the operator has to set the variable.
 */
import { isProxied } from '../config/proxy-variables.ts'

const variable = 'BUN_CONFIG_MAX_HTTP_REQUESTS'
const compiled = import.meta.path.startsWith('/$bunfs/')
const [command = 'serve'] = process.argv.slice(2)
const isServer = command === 'serve' || command.startsWith('--')

// Not from source, because `execPath` is Bun then, without the script. The Makefile sets the variable there.
if (compiled && isServer && isProxied(process.env) && process.execve && !process.env[variable]) {
  try {
    const env = Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
    const newEnv = { ...Object.fromEntries(env), [variable]: '20000' }
    process.execve(process.execPath, [process.execPath, ...process.argv.slice(2)], newEnv)
  } catch {
    // The server works without it, with at most 256 requests at a time.
  }
}
