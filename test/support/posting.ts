import { losslessFetch } from '../../src/http-client/lossless-fetch.ts'

/** `posting.ts PORT NAME…` posts to each name, all on loopback, and prints one line with each result. */
const [port, ...names] = process.argv.slice(2)
const post = losslessFetch(fetch, async () => [{ address: '127.0.0.1' }])
for (const name of names) {
  const answer = post(`https://${name}:${port}/`, { method: 'POST', body: '{"key":"value"}' })
  console.log(
    await answer.then(
      ({ text }) => text(),
      ({ code }) => code,
    ),
  )
}
process.exit(0)
