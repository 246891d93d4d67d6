const alphabet = Buffer.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')

const length = 24
/** Random bytes for many ids: to get those of one id takes longer than all else that makes it. */
const random = Buffer.alloc(128 * length)
let next = random.length

/**
 * Returns `prefix` and 24 random characters, which is the form of OpenAI's and Anthropic's ids. The id of a request begins
 * with the time, so that its row goes to the end of the index: a random one takes SQLite half as long again (23 µs in
 * place of 15).
 */
export function newId(prefix: string): string {
  if (next === random.length) {
    crypto.getRandomValues(random)
    next = 0
  }
  const start = next
  next += length
  if (prefix === 'req_') {
    random.writeUIntBE(Date.now(), start, 6)
    return prefix + random.toString('hex', start, start + 12)
  }
  for (let at = start; at < next; at++) random[at] = alphabet[(random[at] ?? 0) % alphabet.length] ?? 0
  return prefix + random.toString('latin1', start, next)
}
