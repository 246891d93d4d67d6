/**
 * Where the page lives. A place is an address that may be reloaded and shared, and each answers with the same document:
 * its script reads the address. None of them is a path of an API.
 */
export const pagePaths = [
  '/',
  '/requests',
  '/requests/:id',
  '/sessions',
  '/sessions/:id',
  '/usage',
  '/keys',
  '/keys/:id',
  '/upstreams',
  '/try',
  '/system',
  '/sign-in',
] as const

/** What the page is made of lies below: `/page/main-1a2b3c4d.js`. */
export const pageFilesPath = '/page/'
