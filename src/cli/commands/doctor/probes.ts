import type { ProbeOptions } from '../../../http-client/probe.ts'
import type { Proves } from '../../client-target.ts'
import type { ProxyFile } from './proxy-files.ts'

/** What the checks use to reach the outside, passed in so that tests can replace it. */
export interface Probes extends ProbeOptions {
  /** The addresses of a name; rejects as `node:dns` does. */
  lookup(host: string): Promise<string[]>
  /** `free`, or the code of the error from listening: `EADDRINUSE`. */
  tryPort(host: string, port: number): Promise<string>
  /** The configurations of proxies on this machine. */
  proxyFiles(): readonly ProxyFile[]
  /** Whether the user's own gateway listens there. */
  proves: Proves
}
