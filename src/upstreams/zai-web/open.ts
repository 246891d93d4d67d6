import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { Clock } from '../../core/clock.ts'
import { asGatewayError, cancelled, GatewayError } from '../../core/errors.ts'
import { type Delta, isFinal } from '../../core/events.ts'
import { parseJson } from '../../core/json.ts'
import { chain, type Machine } from '../../core/machine.ts'
import { type ChatRequest, demandsCall, type ImagePart, type Tool } from '../../core/request.ts'
import { piped, type Source } from '../../core/source.ts'
import type { UpstreamCall } from '../../core/upstream.ts'
import { channels } from '../../prompted-tools/channels.ts'
import { withoutDoubledCalls } from '../../prompted-tools/doubled-calls.ts'
import { toolCallParser } from '../../prompted-tools/parse.ts'
import { promptTools } from '../../prompted-tools/prompt.ts'
import { repairedText } from '../../prompted-tools/repair.ts'
import type { HttpResponse } from '../../wire/http.ts'
import { lasting, openingOf, replay } from '../../wire/opening.ts'
import { pause, retryNote } from '../../wire/retry.ts'
import { withSecondAnswer } from '../../wire/second-answer.ts'
import { sseDeltas } from '../../wire/sse.ts'
import { decoder } from './decode.ts'
import { type Encoded, encode, imagesOf, type MessagesMode } from './encode.ts'
import { bodyError, emptyResponse, remedyOf, type Remedy as WebRemedy } from './errors.ts'
import type { Catalogue } from './models.ts'
import { withoutUnsendable } from './old-images.ts'
import { type SearchedOpening, searchCall } from './opening-call.ts'
import type { Session, Sessions } from './session.ts'
import { sign } from './signature.ts'
import { type Answer, forgetUrl, type Site } from './site.ts'
import { createUploads, type FetchImage, imageRefusal, uploadImages } from './upload.ts'
import type { FrontEndVersion } from './version.ts'

const maxRetries = 2

export interface OpenerOptions {
  site: Site
  clock: Clock
  /** From 0 to 1. */
  random: () => number
  version: FrontEndVersion
  sessions: Sessions
  catalogue: Catalogue
  fetchImage: FetchImage
  newUuid: () => string
  completionPath: string
  signingKey: string
  sign: boolean
  createChat: boolean
  messagesMode: MessagesMode
  tools: boolean
  scanLimit: number
  idleMs: number
  maxImageBytes: number
}

/** What every attempt at one call shares. */
interface Job {
  call: UpstreamCall
  /** Tools told in prose. */
  request: ChatRequest
  images: ImagePart[]
  /** What a reply may call; empty when the client forbade calls. */
  tools: Tool[]
  /** A reply without a call is worth another try, as long as none of it has been shown. */
  mustCallTool: boolean
}

/** `insist`: ask again for the tool call the client demands. */
type Remedy = WebRemedy | 'insist'

/**
 * Opens calls: session, version, pictures, chat, signature, completion, first delta. What fails before that delta
 * is tried again, each remedy once and two in all; a session that is refused is changed for another, or waited for;
 * what fails after that delta is the reply's last one.
 */
export function opener(options: OpenerOptions): (call: UpstreamCall) => Promise<Source<Delta[]>> {
  const { site, clock, version, sessions, catalogue, newUuid } = options
  const uploads = createUploads(clock)

  return async (call) => {
    const job = jobOf({
      ...call,
      request: withoutUnsendable(call.request, imageRefusal(call.model, sessions.hasAccounts)),
    })
    const { signal, note } = call
    const guests = job.images.length === 0
    const visit = sessions.visit({ model: call.model.upstreamId, caller: call.caller, guests, signal, note })
    const tried = new Set<Remedy>()
    let stay = await visit.enter()
    try {
      for (;;) {
        const outcome = await attempt(job, stay.session).catch((thrown: unknown) => asGatewayError(forgetUrl(thrown)))
        if (signal.aborted) {
          if (!(outcome instanceof GatewayError)) outcome.rest.cancel()
          throw cancelled()
        }
        const remedy = remedyFor(outcome)
        // A picture the site no longer has may be what it stumbled over, whatever it says.
        if (outcome instanceof GatewayError && !isBusy(remedy)) uploads.forget(stay.session)
        if (outcome instanceof GatewayError && (isBusy(remedy) || remedy === 'dead')) {
          // A guest is made for the asking, so that only one is asked for.
          if (remedy === 'dead' && stay.session.kind === 'guest') {
            if (isEnough(remedy, tried)) throw outcome
            tried.add(remedy)
          }
          note(`${stay.id}: ${outcome.code}`)
          stay.refuse(remedy, outcome)
          stay = await visit.enter()
          continue
        }
        if (remedy === 'none' || isEnough(remedy, tried)) {
          if (outcome instanceof GatewayError) throw outcome
          stay.works()
          return lasting(discreet(replay(outcome)), stay.leave, signal)
        }
        if (!(outcome instanceof GatewayError)) outcome.rest.cancel()
        tried.add(remedy)
        note(
          outcome instanceof GatewayError
            ? retryNote(remedy, outcome)
            : `retry (${remedy}) after a reply without a call`,
        )
        if (remedy === 'new-version') await version.refresh(signal)
        await pause({ ...options, signal })
      }
    } catch (thrown) {
      stay.leave()
      throw signal.aborted ? cancelled() : thrown
    }
  }

  function jobOf(call: UpstreamCall): Job {
    const { tools, toolChoice } = call.request
    const callable = options.tools && toolChoice !== 'none' ? tools : []
    const request = promptTools(options.tools ? call.request : { ...call.request, tools: [], toolChoice: 'auto' })
    const mustCallTool = options.tools && demandsCall(call.request)
    return { call, request, images: imagesOf(request), tools: callable, mustCallTool }
  }

  async function attempt(job: Job, session: Session): Promise<SearchedOpening> {
    const { call, request } = job
    const { reasoning } = catalogue.traitsOf(call.model)
    const again =
      request.reasoning.mode === 'on' && reasoning === 'on-request'
        ? () => replyTo({ ...request, reasoning: { mode: 'off' } }, job, session)
        : undefined
    const reply = withSecondAnswer(await replyTo(request, job, session), { again, note: call.note })
    const opening = await openingOf(reply, false)
    return job.mustCallTool ? searchCall(opening, call.request.toolChoice, call) : { ...opening, lacksCall: false }
  }

  async function replyTo(request: ChatRequest, job: Job, session: Session): Promise<Source<Delta[]>> {
    const { signal } = job.call
    const known = await version.current(signal)
    const files = await uploadImages(job.images, { ...options, uploads, session, version: known, signal })
    const encoded = encode(request, {
      model: catalogue.traitsOf(job.call.model),
      userName: session.userName,
      now: clock.now(),
      ids: { message: newUuid(), userMessage: newUuid() },
      mode: options.messagesMode,
      callsTools: job.tools.length > 0,
      files,
    })
    const chatId = options.createChat ? await newChat(encoded.chat, session, known, signal) : newUuid()
    const response = await complete(encoded, chatId, session, known, signal)
    if (!response.ok || response.body === null || !isEventStream(response))
      throw errorOf(await site.read(response, signal))
    const { reader, sorter } = listener(job)
    const deltas = sseDeltas(response.body, { decoder: reader, clock, signal, idleMs: options.idleMs })
    return piped(deltas, sorter, isFinal)
  }

  async function newChat(chat: object, { token }: Session, known: string, signal: AbortSignal): Promise<string> {
    const answer = await site.ask('/api/v1/chats/new', { method: 'POST', token, version: known, body: chat, signal })
    const id = answer.ok ? chatIdOf(answer.text) : undefined
    if (id === undefined) throw errorOf(answer)
    return id
  }

  function complete(
    encoded: Encoded,
    chatId: string,
    { token, userId }: Session,
    known: string,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const pathname = `/c/${chatId}`
    const headers = { referer: `${site.origin}${pathname}` }
    const call = { method: 'POST', token, version: known, signal } as const
    if (!options.sign)
      return site.open(options.completionPath, { ...call, headers, body: encoded.completion(chatId, false) })

    const at = clock.now()
    const requestId = newUuid()
    const signature = sign({ requestId, userId, at, prompt: encoded.prompt, key: options.signingKey })
    const query = new URLSearchParams({
      timestamp: String(at),
      requestId,
      user_id: userId,
      version: '0.0.1',
      platform: 'web',
      token,
      current_url: `${site.origin}${pathname}`,
      pathname,
      signature_timestamp: String(at),
    })
    return site.open(`${options.completionPath}?${query}`, {
      ...call,
      headers: { ...headers, 'x-signature': signature },
      body: encoded.completion(chatId, true),
    })
  }

  /** What the frames say, and where it belongs. */
  function listener({ call, tools }: Job): { reader: Machine<string, Delta>; sorter: Machine<Delta, Delta> } {
    const { whole, note, model } = call
    const declaredTools = new Set(tools.map((tool) => tool.name))
    const { scanLimit } = options
    const sorted = channels({ tools, scanLimit, frames: model.vision, empty: emptyResponse, note })
    if (tools.length === 0) return { reader: decoder({ whole, declaredTools, note }), sorter: sorted }
    const mendArguments = (name: string, text: string) =>
      repairedText(text, tools.find((tool) => tool.name === name)?.parameters ?? {})
    const reader = decoder({ whole, declaredTools, mendArguments, note, holdFrom: '<tool_call' })
    const parser = chain(toolCallParser(tools, { scanLimit }), withoutDoubledCalls())
    return { reader, sorter: chain(sorted, parser) }
  }
}

function isBusy(remedy: Remedy): remedy is 'busy' | 'account-busy' {
  return remedy === 'busy' || remedy === 'account-busy'
}

function isEnough(remedy: Remedy, tried: ReadonlySet<Remedy>): boolean {
  return tried.has(remedy) || tried.size === maxRetries
}

function remedyFor(outcome: SearchedOpening | GatewayError): Remedy {
  if (outcome instanceof GatewayError) return remedyOf(outcome)
  return outcome.lacksCall ? 'insist' : 'none'
}

/** Errors on the way hold no URL: its query carries the token. */
function discreet(source: Source<Delta[]>): Source<Delta[]> {
  return {
    next: (hear) =>
      source.next((batch) => {
        for (const delta of batch ?? []) if (delta.type === 'error') forgetUrl(delta.error)
        hear(batch)
      }),
    cancel: source.cancel,
  }
}

const id = Type.String({ minLength: 1 })
const NewChat = Type.Union([Type.Object({ id }), Type.Object({ chat: Type.Object({ id }) })])

function chatIdOf(text: string): string | undefined {
  const answer = parseJson(text)
  if (!Value.Check(NewChat, answer)) return undefined
  return 'id' in answer ? answer.id : answer.chat.id
}

function isEventStream(response: HttpResponse): boolean {
  return (response.headers.get('content-type') ?? '').includes('text/event-stream')
}

function errorOf({ status, contentType, text }: Answer): GatewayError {
  return bodyError(status, contentType, text)
}
