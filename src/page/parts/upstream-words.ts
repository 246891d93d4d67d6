import type { UpstreamBrief } from '../../admin/schema/upstreams.ts'
import type { Mark } from './status.tsx'

export const upstreamMarks: Record<UpstreamBrief['state'], Mark> = {
  ready: '',
  waiting: 'wait',
  cooling: 'wait',
  blocked: 'bad',
  resting: 'warn',
  paused: 'off',
}
