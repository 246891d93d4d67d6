/**
 * The addresses of the page's screens, which can be reloaded and shared. All are answered with the same document, whose
 * script chooses the screen by the address. None of them is a path of an API.
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

/** Scripts and styles are below this path: `/page/main-1a2b3c4d.js`. */
export const pageFilesPath = '/page/'
