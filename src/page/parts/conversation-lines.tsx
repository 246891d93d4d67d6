import type { ComponentChildren } from 'preact'
import { t } from '../i18n.ts'

/** One line of a conversation: who, what, and a number. */
export function Said({ who, children, size }: { who: string; children: ComponentChildren; size?: ComponentChildren }) {
  return (
    <li>
      <span class="who">{who}</span>
      <div class="txt">{children}</div>
      <span class="size">{size}</span>
    </li>
  )
}

/** Paragraphs; the text stays as it was said. */
export function Paragraphs({ text }: { text: string }) {
  return (
    <>
      {text.split(/\n{2,}/).map((paragraph, n) => (
        <p key={n} class="pre">
          {paragraph}
        </p>
      ))}
    </>
  )
}

export function Reasoning({ text, summary, open = true }: { text: string; summary: string; open?: boolean }) {
  return (
    <details class="think" open={open}>
      <summary>{summary}</summary>
      <div class="pre">{text}</div>
    </details>
  )
}

interface ToolCallProps {
  name: string
  id?: string | undefined
  args: string
  result?: string | undefined
  end?: ComponentChildren
}

export function ToolCall({ name, id, args, result, end }: ToolCallProps) {
  return (
    <div class="tool">
      <div>
        <b class="b">{name}</b>
        {id && <span class="dim not-phone">{id.length > 16 ? `${id.slice(0, 10)}…${id.slice(-2)}` : id}</span>}
        {end && <span class="end">{end}</span>}
      </div>
      <div>
        <Json text={args} />
      </div>
      {result !== undefined && (
        <div>
          <span class="sr">{t('result')}: </span>
          <Json text={result} />
        </div>
      )}
    </div>
  )
}

/** The text; if it is JSON, with the names of its fields in colour. */
export function Json({ text }: { text: string }) {
  const pieces = text.split(/("(?:[^"\\]|\\.)*")(?=\s*:)/)
  // Every second piece is a name.
  return (
    <>
      {pieces.map((piece, n) =>
        n % 2 === 1 ? (
          <span key={n} class="acc">
            {piece}
          </span>
        ) : (
          piece
        ),
      )}
    </>
  )
}
