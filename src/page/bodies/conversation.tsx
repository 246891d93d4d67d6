import type { RequestDetail } from '../../admin/schema/requests.ts'
import { secondsLong, whole } from '../format.ts'
import { type TextName, t } from '../i18n.ts'
import { Paragraphs, Reasoning, Said, ToolCall } from '../parts/conversation-lines.tsx'
import { query, setQuery } from '../router.ts'
import type { Line } from './read.ts'

/** Messages in front of the newest that are shown at once. */
const lastMessages = 12

interface ConversationProps {
  lines: readonly Line[]
  difference?: RequestDetail['first_difference']
}

/** A body as the messages in it, whatever API it is of. */
export function Conversation({ lines, difference }: ConversationProps) {
  const all = query.value.get('all') !== null
  const newest = lines.findLast(({ index }) => index !== undefined)?.index ?? 0
  const hiddenTo = all ? 0 : Math.min(newest - lastMessages, (difference?.index ?? newest) - 1)
  const shown = lines.filter(({ index }) => index === undefined || index > hiddenTo)
  const head = shown.filter(({ who, index }) => index === undefined && (who === 'system' || who === 'tools'))
  const rest = shown.filter((line) => !head.includes(line))
  const line = (each: Line, n: number) => [
    ...(difference && each.index === difference.index && rest[n - 1]?.index !== each.index
      ? [
          <Said key={`cut-${n}`} who="">
            <div class="cut">
              {t('firstDifference', difference.tokens === undefined ? undefined : whole(difference.tokens))}
            </div>
          </Said>,
        ]
      : []),
    <ConversationLine key={n} line={each} />,
  ]
  return (
    <ol class="talk">
      {head.map((each, n) => (
        <ConversationLine key={`head-${n}`} line={each} />
      ))}
      {hiddenTo > 0 && (
        <Said who={`1 – ${hiddenTo}`}>
          <button type="button" class="link plain" onClick={() => setQuery({ all: '' })}>
            {t('showMessages', hiddenTo)}
          </button>
        </Said>
      )}
      {rest.flatMap(line)}
    </ol>
  )
}

const roles: Record<string, TextName> = {
  user: 'user',
  assistant: 'assistant',
  system: 'systemRole',
  developer: 'systemRole',
  reasoning: 'thinkingWord',
  call: 'toolCall',
  result: 'toolResult',
  tools: 'tools',
  end: 'end',
  error: 'failed',
}

const foldedFrom = 600

function ConversationLine({ line }: { line: Line }) {
  const { who, index, text, name, id, at, images } = line
  const role = roles[who]
  return (
    <Said
      who={`${index === undefined ? '' : `${index} `}${role ? t(role) : who}`}
      size={at === undefined ? (text.length > 2000 ? t('characters', whole(text.length)) : '') : secondsLong(at)}
    >
      {who === 'call' ? (
        <ToolCall name={name ?? ''} id={id} args={pretty(text)} />
      ) : who === 'result' ? (
        <Foldable text={text} mono />
      ) : who === 'reasoning' ? (
        <Reasoning text={text} summary={t('characters', whole(text.length))} open={text.length < foldedFrom * 4} />
      ) : who === 'end' ? (
        <span class="m two">{text}</span>
      ) : who === 'error' ? (
        <span class="bad">{text}</span>
      ) : (
        <Foldable text={text} />
      )}
      {images?.map((url) =>
        url.startsWith('data:image/') ? (
          <img key={url} src={url} alt={t('image')} class="pic" />
        ) : (
          <span class="badge">{url.slice(0, 60)}</span>
        ),
      )}
    </Said>
  )
}

function Foldable({ text, mono }: { text: string; mono?: boolean }) {
  const body = mono ? (
    <div class="tool">
      <div class="fold-body">{text}</div>
    </div>
  ) : (
    <Paragraphs text={text} />
  )
  if (text.length <= foldedFrom * 2) return body
  return (
    <details>
      <summary>
        <span class="two">{text.slice(0, 200).replaceAll(/\s+/g, ' ')}…</span>
      </summary>
      {body}
    </details>
  )
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
