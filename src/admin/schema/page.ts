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

/** One built file of the page. */
export interface PageFile {
  /** `text/javascript; charset=utf-8` */
  type: string
  bytes: Uint8Array<ArrayBuffer>
  /** Strong, with its quotes. */
  etag: string
  /** The same, compressed at build time. */
  gzip?: Uint8Array<ArrayBuffer>
  brotli?: Uint8Array<ArrayBuffer>
}

/** What `src/page/assets.ts` exports as `assets`: the document, and its files by full path: `/page/main-1a2b3c4d.js`. */
export interface PageAssets {
  index: PageFile
  /** Their names carry a hash of their content, so that they are kept by browsers for good. */
  files: ReadonlyMap<string, PageFile>
}
