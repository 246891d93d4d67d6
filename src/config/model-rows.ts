import { Type } from '@sinclair/typebox'
import { parseJson } from '../core/json.ts'
import { modelRow } from '../models/row.ts'
import { rowError } from './row-error.ts'
import type { ValueKind } from './value-kinds.ts'

const schema = Type.Array(modelRow)

/** `[[models]]` of the configuration file, or a JSON array of the same rows. */
export const modelRows = {
  schema,
  read: (text) => (text === '' ? [] : parseJson(text)),
  allowed: 'rows such as [{"id":"glm-5.5","context_tokens":1048576}]',
  placeholder: 'ROWS',
  problem: (rows) =>
    rowError(rows, {
      name: 'models',
      schema,
      partAt: (steps) => {
        const { price, credits } = modelRow.properties
        if (steps.includes('price')) return price
        return steps.includes('credits') ? credits : modelRow
      },
    }),
} satisfies ValueKind
