import type { ReleaseOrigin } from './build.ts'

/** install.sh or install.ps1 with the address of this release and the key of its signature, where the script has room for them. */
export function installScript(text: string, { base = '', publicKey = '' }: ReleaseOrigin): string {
  return text
    .replace(/(?<=ZAI2API_RELEASES:-)(?=\})|(?<=^ *\$releases = ')(?=')/m, base)
    .replace(/(?<=ZAI2API_RELEASE_KEY:-)(?=\})|(?<=^ *\$publicKey = ')(?=')/m, publicKey)
}
