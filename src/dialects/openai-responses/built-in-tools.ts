import type { Tool } from '../../core/request.ts'

/** Tools that the client runs and whose calls have forms of their own in OpenAI's API. */
export type BuiltIn = 'local_shell' | 'shell' | 'apply_patch'

const words = { type: 'array', items: { type: 'string' }, minItems: 1 }
/** A model may write a single command as a text instead of a list. */
const wordsOrLine = { anyOf: [words, { type: 'string', minLength: 1 }] }
const timeout = { type: 'integer', description: 'Longest time to run, in milliseconds.' }
const optional = { text: { type: ['string', 'null'] }, number: { type: ['number', 'null'] } }

/**
 * The same tools as functions, for a model that does not know them. Source: the items of the Responses API, SDK 6.49.
 */
export const builtIns = {
  local_shell: {
    description: "Runs a command on the user's machine and returns its output.",
    parameters: {
      type: 'object',
      properties: {
        command: { type: 'array', items: { type: 'string' }, description: 'The program and its arguments.' },
        workdir: { type: 'string', description: 'Directory to run in.' },
        timeout_ms: timeout,
        env: { type: 'object', additionalProperties: { type: 'string' }, description: 'Extra environment variables.' },
      },
      required: ['command'],
      additionalProperties: false,
    },
    strict: true,
    readable: {
      type: 'object',
      properties: {
        command: wordsOrLine,
        workdir: optional.text,
        timeout_ms: optional.number,
        env: { type: ['object', 'null'], additionalProperties: { type: 'string' } },
      },
      required: ['command'],
    },
  },
  shell: {
    description: "Runs shell commands on the user's machine and returns the output of each.",
    parameters: {
      type: 'object',
      properties: {
        commands: { type: 'array', items: { type: 'string' }, description: 'One line each, run in this order.' },
        timeout_ms: timeout,
        max_output_length: { type: 'integer', description: 'Characters of output to return at most.' },
      },
      required: ['commands'],
      additionalProperties: false,
    },
    strict: true,
    readable: {
      type: 'object',
      properties: { commands: wordsOrLine, timeout_ms: optional.number, max_output_length: optional.number },
      required: ['commands'],
    },
  },
  apply_patch: {
    description: [
      "Creates, changes or deletes one file in the user's workspace.",
      'The diff is in V4A format, without a header: for `create_file` every line of the new file behind a `+`; for',
      '`update_file` sections of `@@`, lines that stay behind a space, lines that go behind a `-`, lines that come',
      'behind a `+`. `delete_file` takes none.',
    ].join('\n'),
    parameters: {
      type: 'object',
      properties: {
        type: { type: 'string', enum: ['create_file', 'update_file', 'delete_file'] },
        path: { type: 'string', description: 'Relative to the root of the workspace.' },
        diff: { type: 'string' },
      },
      required: ['type', 'path'],
      additionalProperties: false,
    },
    strict: true,
    readable: {
      type: 'object',
      properties: {
        type: { enum: ['create_file', 'update_file', 'delete_file'] },
        path: { type: 'string', minLength: 1 },
        diff: { type: 'string' },
      },
      required: ['type', 'path'],
      if: { properties: { type: { enum: ['create_file', 'update_file'] } } },
      // biome-ignore lint/suspicious/noThenProperty: a word of JSON schema
      then: { required: ['diff'] },
    },
  },
} satisfies Record<BuiltIn, Omit<Tool, 'name'>>
