import type { Config } from './load.ts'
import { settingList } from './table.ts'

/** Every secret of a configuration, so that it can be taken out of what others read. */
export function secretsIn(config: Config): string[] {
  const ofSettings = settingList.flatMap(({ name, secret }) => {
    const value = config[name]
    const texts = [value].flat().filter((one) => typeof one === 'string')
    return secret ? texts.flatMap(partsOf) : texts.flatMap(passwordIn)
  })
  return [...ofSettings, ...config.upstreams.flatMap(({ row }) => row?.keys ?? [])]
}

/** A key as it is; of `name=value`, as headers are written, the value. */
function partsOf(text: string): string[] {
  const at = text.indexOf('=')
  return at > 0 && /^[\w-]+$/.test(text.slice(0, at)) ? [text, text.slice(at + 1), decoded(text.slice(at + 1))] : [text]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** An address may hold one, as `https://name:password@host`. */
function passwordIn(text: string): string[] {
  const password = URL.canParse(text) ? new URL(text).password : ''
  return password === '' ? [] : [password, decoded(password)]
}
