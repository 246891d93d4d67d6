import { closeSync, openSync, readFileSync } from 'node:fs'

/**
 * Handles SIGHUP. Resolves when the signal means that the terminal has closed. Without a terminal, as under systemd, the
 * signal means that the configuration is to be read again, and `reread` is called.
 *
 * The default action of the signal is disabled for all its repetitions: the system and the shell each send it. A process
 * that was started to ignore the signal (`nohup`) keeps running.
 */
export function terminalGone(reread: (() => void) | undefined): Promise<void> {
  const ignored = isIgnored()
  const hadTerminal = hasTerminal()
  const isForeground = process.stdout.isTTY === true
  const gone = Promise.withResolvers<void>()
  if (ignored && reread === undefined) return gone.promise
  process.on('SIGHUP', () => {
    const isGone = isForeground || (hadTerminal && !hasTerminal())
    if (!ignored && (isGone || reread === undefined)) gone.resolve()
    else reread?.()
  })
  return gone.promise
}

/** Whether the process has a controlling terminal. */
function hasTerminal(): boolean {
  if (process.platform === 'win32') return false
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}

/** Whether the process was started to ignore SIGHUP, as by `nohup`. False on systems other than Linux, which do not tell. */
function isIgnored(): boolean {
  try {
    const [, mask = '0'] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
    return (BigInt(`0x${mask}`) & 1n) === 1n
  } catch {
    return false
  }
}
