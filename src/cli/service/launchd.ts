import { join } from 'node:path'
import { fileLeft, lastingProgram } from './program-place.ts'
import type { ServiceManager, ServicePlace, ServiceStep } from './service-manager.ts'

const label = 'zai2api'

/** An agent of the user that is logged in, on macOS. Written after launchd.plist(5), and not tried on a Mac yet. */
export function launchd(place: ServicePlace): ServiceManager {
  const { home, configFolder, stateFolder, uid, freshConfig } = place
  const configPath = join(configFolder, 'zai2api.toml')
  const plistPath = join(home, 'Library/LaunchAgents', `${label}.plist`)
  const logPath = join(home, 'Library/Logs', `${label}.log`)
  const copyPath = join(home, '.local/bin/zai2api')
  const { program, copy } = lastingProgram(place, copyPath)
  const domain = `gui/${uid}`
  const service = `${domain}/${label}`
  const bootOut: readonly ServiceStep[] = [
    { kind: 'run', command: ['launchctl', 'bootout', service], mayFail: true },
    // It returns at once, and the gateway has up to 45 s for answers that run. Until then no other one can be made.
    { kind: 'wait until it is gone', command: ['launchctl', 'print', service], seconds: 60 },
  ]
  return {
    title: 'launchd, for you alone',
    scope: 'user',
    configPath,
    program,
    isCopied: copy.length > 0,
    stateFolder,
    install: [
      ...copy,
      { kind: 'write', path: configPath, mode: 0o600, text: freshConfig, keep: true },
      { kind: 'folder', path: join(home, 'Library/Logs'), mode: 0o700 },
      {
        kind: 'write',
        path: plistPath,
        mode: 0o644,
        text: plist({ executable: program, configPath, stateFolder, logPath }),
      },
      // One that runs already would keep its old definition.
      ...bootOut,
      { kind: 'run', command: ['launchctl', 'bootstrap', domain, plistPath] },
    ],
    stop: bootOut,
    uninstall: [{ kind: 'remove', path: plistPath }],
    purge: [
      { kind: 'remove', path: configFolder },
      { kind: 'remove', path: stateFolder },
      { kind: 'remove', path: logPath },
    ],
    left: [fileLeft(copyPath)],
    restart: ['launchctl', 'kickstart', '-k', service],
    status: ['launchctl', 'print', service],
    logs: (follow) => ['tail', '-n', '100', ...(follow ? ['-F'] : []), logPath],
  }
}

interface PlistFacts {
  executable: string
  configPath: string
  stateFolder: string
  logPath: string
}

function plist({ executable, configPath, stateFolder, logPath }: PlistFacts): string {
  const args = [executable, 'serve', '--config', configPath].map((arg) => `    <string>${xml(arg)}</string>`)
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>${label}</string>
  <key>ProgramArguments</key>
  <array>
${args.join('\n')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>BUN_CONFIG_MAX_HTTP_REQUESTS</key><string>20000</string>
    <key>STATE_DIRECTORY</key><string>${xml(stateFolder)}</string>
    <key>BUN_JSC_useFTLJIT</key><string>0</string>
  </dict>
  <key>WorkingDirectory</key><string>/</string>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ThrottleInterval</key><integer>2</integer>
  <key>ExitTimeOut</key><integer>45</integer>
  <key>SoftResourceLimits</key><dict><key>NumberOfFiles</key><integer>65536</integer></dict>
  <key>Umask</key><integer>63</integer>
  <key>StandardOutPath</key><string>${xml(logPath)}</string>
  <key>StandardErrorPath</key><string>${xml(logPath)}</string>
</dict>
</plist>
`
}

/** Text inside an element. */
export function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
