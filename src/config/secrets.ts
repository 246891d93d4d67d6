import type { Config } from './load.ts'
import { settingList } from './table.ts'

/** Every secret of a configuration: keys, tokens and passwords inside of URLs. They are redacted from logs and errors. */
export function secretsIn(config: Config): string[] {
  const ofSettings = settingList.flatMap(({ name, secret }) => {
    const value = config[name]
    const texts = [value].flat().filter((one) => typeof one === 'string')
    return secret ? texts.flatMap(secretsOf) : texts.flatMap(passwordIn)
  })
  return [...ofSettings, ...config.upstreams.flatMap(({ row }) => row?.keys ?? [])]
}

/** The text itself. For a header written as `name=value` also the value, as written and percent-decoded. */
function secretsOf(text: string): string[] {
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

/** The password of a URL such as `https://name:password@host`, as written and percent-decoded. */
function passwordIn(text: string): string[] {
  const password = URL.canParse(text) ? new URL(text).password : ''
  return password === '' ? [] : [password, decoded(password)]
}
