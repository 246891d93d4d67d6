import { truncateList } from '../core/truncate.ts'
import type { RequestRecord } from '../observe/record.ts'

/**
 * The id of the request in the log, in both spellings (Anthropic's SDK reads the second), and the upstream that
 * answered.
 */
export function requestIdHeaders(record: Pick<RequestRecord, 'id' | 'upstream'>): Record<string, string> {
  const { id, upstream } = record
  const ids = { 'x-request-id': id, 'request-id': id }
  return upstream === undefined ? ids : { ...ids, 'x-zai2api-upstream': upstream }
}

export function ignoredHeader(headers: Record<string, string>, names: string[]): Record<string, string> {
  // Header values are ASCII, but the names come from the client's body.
  return names.length === 0
    ? headers
    : { ...headers, 'x-zai2api-ignored': truncateList(names).replace(/[^\x20-\x7e]/g, '?') }
}
