import { GatewayError } from '../../core/errors.ts'
import type { TextPart, UserPart } from '../../core/request.ts'
import { bytesOf, dataOf } from '../openai/data-url.ts'
import type { ApplyPatchOutputItem, Content, FilePart, ImagePart, ShellOutputItem } from './schema.ts'

/** What a user or a tool can say. `unheard` takes the paths of what had to be left out. */
export function userParts(content: Content, path: string, unheard: string[]): UserPart[] {
  if (typeof content === 'string') return text(content)
  return content.flatMap((part, index): UserPart[] => {
    const at = `${path}.${index}`
    switch (part.type) {
      case 'input_image':
        return [imagePart(part, at)]
      case 'input_file':
        return filePart(part, at)
      case 'input_audio':
        // Left out in silence, the model would invent what was said.
        unheard.push(`${at} (input_audio)`)
        return text('[Audio was attached here; it cannot be heard.]')
      default:
        return spokenPart(part)
    }
  })
}

export function spokenParts(content: Content): TextPart[] {
  return typeof content === 'string' ? text(content) : content.flatMap(spokenPart)
}

/** What a system or an assistant can say: images and files are the user's. */
function spokenPart(part: Exclude<Content, string>[number]): TextPart[] {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'summary_text':
    case 'text':
      return text(part.text)
    case 'refusal':
      return text(part.refusal)
    case 'input_image':
    case 'input_file':
    case 'input_audio':
      return []
    default:
      return part satisfies never
  }
}

function imagePart({ image_url, file_id }: ImagePart, path: string): UserPart {
  if (!image_url && file_id) throw storedFile(`${path}.file_id`)
  const url = image_url ?? ''
  const source = dataOf(url)
  if (source) return { type: 'image', source }
  if (isRemote(url)) return { type: 'image', source: { type: 'url', url } }
  throw invalid(`${path}.image_url`, 'expected an http(s) URL or a base64 data URL.')
}

function filePart({ file_data, file_url, file_id, filename }: FilePart, path: string): UserPart[] {
  const title = filename ?? undefined
  if (file_url) {
    if (!isRemote(file_url)) throw invalid(`${path}.file_url`, 'expected an http(s) URL.')
    return [{ type: 'document', title, source: { type: 'url', url: file_url } }]
  }
  if (!file_data) throw storedFile(file_id ? `${path}.file_id` : `${path}.file_data`)
  const source = dataOf(file_data)
  if (!source) throw invalid(`${path}.file_data`, 'expected a base64 data URL.')
  if (!source.mediaType.startsWith('text/')) return [{ type: 'document', title, source }]
  const bytes = bytesOf(source.data)
  if (!bytes) throw invalid(`${path}.file_data`, 'the base64 data is broken.')
  const content = new TextDecoder().decode(bytes)
  return text(`<document${title ? ` title="${title.replaceAll('"', '&quot;')}"` : ''}>\n${content}\n</document>`)
}

function isRemote(url: string): boolean {
  return /^https?:\/\//i.test(url)
}

export function text(value: string): TextPart[] {
  return value === '' ? [] : [{ type: 'text', text: value }]
}

/** What each command said and how it ended. */
export function shellOutput({ output }: ShellOutputItem): string {
  return output
    .flatMap(({ stdout, stderr, outcome }) => [
      stdout,
      stderr,
      outcome.type === 'timeout' ? '[timed out]' : `[exit code ${outcome.exit_code ?? 'unknown'}]`,
    ])
    .filter((part) => part !== '')
    .join('\n')
}

export function patchOutput({ status, output }: ApplyPatchOutputItem): string {
  return output || (status === 'failed' ? 'The patch could not be applied.' : 'Done.')
}

function storedFile(param: string): GatewayError {
  return invalid(param, 'files by id are not stored here; send the content.')
}

export function invalid(param: string, reason: string): GatewayError {
  return new GatewayError('invalid-request', `${param}: ${reason}`, { param })
}
