import type { AgentSession } from '../../../src/admin/schema/agent-sessions.ts'
import type { RequestRow } from '../../../src/admin/schema/requests.ts'
import { exampleRows } from './example-requests.ts'

export function exampleSessions(at: number): AgentSession[] {
  const session = (id: string, client: string, fields: Partial<AgentSession>): AgentSession => ({
    ...{
      id,
      client,
      started_at: at - 6_300_000,
      last_at: at - 4000,
      turns: 43,
      agents: [],
      models: ['glm-5.3', 'glm-4.7'],
    },
    ...{ input: 4_700_000, cached: 4_371_000, output: 112_300, credits: 1204, context: 122_000, window: 200_000 },
    ...fields,
  })
  return [
    session('7f3a2a90-aa1b-4b52-9e34-17ab4a5f0c11', 'Claude Code', {
      agents: [
        { id: 'main', turns: 27, input: 4_200_000, cached: 3_990_000, output: 80_300, credits: 1027, context: 122_000 },
        {
          id: 'a81f',
          label: 'explore-1',
          parent: 'main',
          turns: 9,
          input: 280_000,
          cached: 252_000,
          output: 8_400,
          credits: 96,
          context: 38_000,
        },
        {
          id: 'b93c',
          label: 'explore-2',
          parent: 'main',
          turns: 7,
          input: 220_000,
          cached: 195_800,
          output: 11_900,
          credits: 81,
          context: 36_000,
        },
      ],
    }),
    session('019a7', 'Codex', { turns: 28, context: 64_000, window: 1_048_576, credits: 611 }),
    session('4b2d', 'opencode', { turns: 19, context: 23_000, credits: undefined, usd: 0.021 }),
  ]
}

/** A context that grows, is compacted once, and whose cache breaks once. */
export function exampleTurns(at: number): RequestRow[] {
  const sample = exampleRows(at).find(({ state }) => state === 'done') as RequestRow
  return Array.from({ length: 43 }, (_, turn): RequestRow => {
    const input = turn < 28 ? 26_000 + turn * 6000 : 41_000 + (turn - 28) * 5400
    const cached = turn === 36 || turn === 28 ? 8000 : Math.round(input * 0.94)
    return {
      ...sample,
      id: `req_turn_${turn}`,
      at: at - (43 - turn) * 60_000,
      status: 200,
      error: undefined,
      input,
      cached,
    }
  })
}
