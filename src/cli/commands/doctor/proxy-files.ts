import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** A configuration of a proxy on this machine. */
export interface ProxyFile {
  path: string
  text: string
}

/** Where nginx, Caddy, Apache, HAProxy, Traefik and Cloudflare's tunnel are configured on Linux, and by Homebrew. */
const folders = [
  ...['/etc/nginx', '/etc/caddy', '/etc/apache2', '/etc/httpd', '/etc/haproxy', '/etc/traefik', '/etc/cloudflared'],
  ...['/opt/homebrew/etc', '/usr/local/etc'].flatMap((prefix) => [`${prefix}/nginx`, `${prefix}/Caddyfile`]),
]
const maxFiles = 500
const maxBytes = 262_144

/** What can be read of the configurations of proxies on this machine. */
export function proxyFiles(): ProxyFile[] {
  const found: ProxyFile[] = []
  for (const folder of folders) collect(folder, found)
  return found
}

function collect(path: string, found: ProxyFile[]): void {
  if (found.length >= maxFiles) return
  try {
    const stat = statSync(path)
    if (stat.isDirectory()) for (const name of readdirSync(path)) collect(join(path, name), found)
    else if (stat.isFile() && stat.size <= maxBytes) found.push({ path, text: readFileSync(path, 'utf8') })
  } catch {
    // Not there, or not for this user to read.
  }
}

/** The first file that leads to this port of loopback; comments do not count. */
export function fileLeadingTo(port: number, files: readonly ProxyFile[]): string | undefined {
  const address = new RegExp(`(?<![\\w.-])(?:127(?:\\.\\d{1,3}){3}|localhost|\\[::1\\]):${port}(?!\\d)`)
  return files.find(({ text }) => text.split('\n').some((line) => address.test(line.replace(/(?:^|\s)#.*/, ''))))?.path
}
