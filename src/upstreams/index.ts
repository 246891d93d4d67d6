import { demoKind } from './demo/kind.ts'
import { openaiCompatibleKind } from './openai-compatible/kind.ts'
import type { UpstreamKinds } from './upstream-kind.ts'
import { zaiApiKind } from './zai-api/kind.ts'
import { zaiWebKind } from './zai-web/kind.ts'

/** Every kind of upstream. Messages name them in this order. */
export const upstreamKinds: UpstreamKinds = [demoKind, openaiCompatibleKind, zaiApiKind, zaiWebKind]
