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
    characters.writeUIntBE(Date.now(), 0, 6)
    return prefix + characters.toString('hex', 0, 12)
  }
  for (let at = 0; at < characters.length; at++) characters[at] = alphabet[(characters[at] ?? 0) % alphabet.length] ?? 0
  return prefix + characters.toString('latin1')
}
