import { bundlePage, type PageFiles } from './bundle.ts'

let bundled: Promise<PageFiles> | undefined

/**
 * The files of the page. From source it is bundled when it is first asked for, which takes 0.2 s; deploy/build.ts puts a
 * module of the same shape, with the finished files, in the place of this one.
 */
export function pageFiles(): Promise<PageFiles> {
  bundled ??= bundlePage()
  return bundled
}
