import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'

const closed = { additionalProperties: false }
const AnyObject = Type.Record(Type.String(), Type.Unknown())
const UpstreamName = Type.Union([Type.Literal('zai-api'), Type.Literal('zai-web'), Type.Literal('demo')])
const Mode = Type.Union([Type.Literal('whole'), Type.Literal('stream')])

/** One reply of the upstream. Without any, it says `Hello there.` */
const Script = Type.Object(
  {
    /**
     * Chunks of the official API, each its `delta`, `finish_reason`, `usage` (`true` for some) and `web_search`. For the
     * chat site, content and thinking become frames; it has no words for calls.
     */
    chunks: Type.Optional(
      Type.Array(
        Type.Object(
          {
            delta: Type.Optional(AnyObject),
            finish_reason: Type.Optional(Type.String()),
            usage: Type.Optional(Type.Union([Type.Literal(true), AnyObject])),
            web_search: Type.Optional(Type.Array(AnyObject)),
          },
          closed,
        ),
      ),
    ),
    /** The `data` of frames of the chat site, where they matter; the end is added. */
    frames: Type.Optional(Type.Array(AnyObject)),
    /** An HTTP refusal instead of a stream, as the official API writes it. */
    refusal: Type.Optional(Type.Object({ status: Type.Number(), code: Type.String(), message: Type.String() }, closed)),
  },
  closed,
)
export type Script = Static<typeof Script>

const Case = Type.Object(
  {
    /** What it shows, as a sentence. */
    note: Type.String(),
    /** `/v1/chat/completions` */
    path: Type.String(),
    headers: Type.Optional(Type.Record(Type.String(), Type.String())),
    /** Without `stream`, which the mode sets. A lone surrogate may stand in it as `\ud83d`. */
    body: AnyObject,
    /** Who answers. Without it, both real ones. */
    upstreams: Type.Optional(Type.Array(UpstreamName, { minItems: 1 })),
    /** Without it, both. */
    modes: Type.Optional(Type.Array(Mode, { minItems: 1 })),
    /** One reply, or one for each attempt; the last one is repeated. */
    upstreamSays: Type.Optional(Type.Union([Script, Type.Array(Script, { minItems: 1 })])),
    expect: Type.Object(
      {
        /** Without it, 200. */
        status: Type.Optional(Type.Number()),
        /** What must be in the reply; that of a stream is put together as its client would. See match.ts. */
        reply: Type.Optional(AnyObject),
        /** What must be in the request bodies to each upstream named: in the last one, or, as a list, in all of them. */
        upstream: Type.Optional(Type.Partial(Type.Record(UpstreamName, Type.Unknown()))),
        /** `x-zai2api-ignored`; `$absent` where nothing may be ignored. */
        ignored: Type.Optional(Type.String()),
        /** What has to be, and must not be, in the reply as it is sent. */
        contains: Type.Optional(Type.Array(Type.String())),
        lacks: Type.Optional(Type.Array(Type.String())),
        /** What the log must say. */
        log: Type.Optional(Type.Array(Type.String())),
      },
      closed,
    ),
  },
  closed,
)
export type Case = Static<typeof Case>
export type UpstreamName = Static<typeof UpstreamName>
export type Mode = Static<typeof Mode>

/** Every case of the folder and the folders in it, by its path without `.json`. Throws for one that is misspelt. */
export function casesIn(folder: string): { name: string; of: Case }[] {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.json'))
  return paths.sort().map((path) => {
    const value: unknown = JSON.parse(readFileSync(join(folder, path), 'utf8'))
    const name = relative('.', path).replace(/\.json$/, '')
    const [fault] = Value.Errors(Case, value)
    if (!Value.Check(Case, value)) throw new Error(`test/cases/${path}: ${fault?.path} ${fault?.message}`)
    return { name, of: value }
  })
}
