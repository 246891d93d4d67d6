const alphabet = Buffer.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')

const characters = Buffer.alloc(24)

/**
 * Returns `prefix` and 24 random characters, which is the form of OpenAI's and Anthropic's ids. The id of a request begins
 * with the time, so that its row goes to the end of the index: a random one takes SQLite half as long again (23 µs in
 * place of 15).
 */
export function newId(prefix: string): string {
  crypto.getRandomValues(characters)
  if (prefix === 'req_') {
    const random = characters.toString('hex', 0, 6)
    return prefix + Date.now().toString(16).padStart(12, '0') + random
  }
  for (let at = 0; at < characters.length; at++) characters[at] = alphabet[(characters[at] ?? 0) % alphabet.length] ?? 0
  return prefix + characters.toString('latin1')
}
