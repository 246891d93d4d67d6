import { userAgent } from '../../http-client/user-agent.ts'

/** Headers of every request to the API, besides the key. */
export const usualHeaders = {
  // The language of its error messages.
  'accept-language': 'en-US,en',
  'user-agent': userAgent,
}
