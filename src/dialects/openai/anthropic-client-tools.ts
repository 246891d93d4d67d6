import { type Fields, textOr } from './json-fields.ts'

/** Descriptions, for the model, of tools that Anthropic's API defines by their type and that the client runs. */
export interface ClientTool {
  /** The name of a tool that has none in the request. */
  name: string
  description: string
  parameters: Record<string, unknown>
}

/**
 * The tool of a type, whatever its date: an unknown version is treated as the newest one. `undefined` for other types.
 * Programs also send them to other APIs than Anthropic's.
 * Source: Anthropic's pages on the bash, text editor, memory and computer use tools, and the types of SDK 1.14.
 */
export function clientTool(tool: Fields): ClientTool | undefined {
  const [, family = '', version = ''] =
    /^(bash|text_editor|memory|computer)(?:_(\d+).*)?$/.exec(textOr(tool.type)) ?? []
  const date = version === '' ? Number.POSITIVE_INFINITY : Number(version)
  switch (family) {
    case 'bash':
      return bash
    case 'text_editor':
      return textEditor(tool, date)
    case 'memory':
      return memory
    case 'computer':
      return computer(tool, date)
    default:
      return undefined
  }
}

/** The same for an API that has tools of its own called `bash` or `computer`: Anthropic's have a date. */
export function datedClientTool(tool: Fields): ClientTool | undefined {
  return /_\d{8}/.test(textOr(tool.type)) ? clientTool(tool) : undefined
}

const string = (description: string) => ({ type: 'string', description })
const integer = (description: string) => ({ type: 'integer', description })
const numbers = (count: number, description: string) => ({
  type: 'array',
  items: { type: 'integer' },
  minItems: count,
  maxItems: count,
  description,
})
const object = (properties: object, ...required: string[]) => ({ type: 'object', properties, required })

const bash: ClientTool = {
  name: 'bash',
  description:
    'Run commands in a bash shell. The session is persistent: working directory, variables and files stay from one call to the next. Interactive programs cannot be used.',
  parameters: object({
    command: string('The bash command to run. Required unless the tool is being restarted.'),
    restart: { type: 'boolean', description: 'Set to true to restart the shell. Otherwise, leave it out.' },
  }),
}

const viewRange = numbers(
  2,
  'Optional parameter of `view` when `path` is a file: the first and the last line to show, counted from 1; -1 as the last one means the end of the file.',
)

function textEditor({ max_characters }: Fields, date: number): ClientTool {
  // The first versions could undo, and used one name for the replacing and the inserted text.
  const isFirst = date < 20250429
  const inserted = isFirst ? 'new_str' : 'insert_text'
  const limit = typeof max_characters === 'number' ? ` At most ${max_characters} characters of a file are shown.` : ''
  return {
    name: isFirst ? 'str_replace_editor' : 'str_replace_based_edit_tool',
    description: `View, create and edit files. \`view\` shows a file with numbered lines, or lists a directory.${limit} \`create\` writes a whole new file. \`str_replace\` replaces \`old_str\`, which must match exactly one place of the file, whitespace included. \`insert\` puts \`${inserted}\` behind a line.${isFirst ? ' `undo_edit` takes back the last edit of a file.' : ''}`,
    parameters: object(
      {
        command: {
          type: 'string',
          enum: ['view', 'create', 'str_replace', 'insert', ...(isFirst ? ['undo_edit'] : [])],
          description: 'The command to run.',
        },
        path: string('Absolute path to a file or directory, e.g. `/repo/file.py` or `/repo`.'),
        file_text: string('Required parameter of `create`: the content of the file.'),
        old_str: string('Required parameter of `str_replace`: the text in `path` to replace.'),
        new_str: string(
          `Parameter of \`str_replace\`: the new text; without it, the old text is deleted.${isFirst ? ' Required parameter of `insert`: the text to insert.' : ''}`,
        ),
        insert_line: integer(
          'Required parameter of `insert`: the text goes behind this line; 0 is the top of the file.',
        ),
        ...(isFirst ? {} : { insert_text: string('Required parameter of `insert`: the text to insert.') }),
        view_range: viewRange,
      },
      'command',
      'path',
    ),
  }
}

const memory: ClientTool = {
  name: 'memory',
  description:
    'Keep notes in files under `/memories`, which last beyond this conversation. Before anything else, `view` `/memories` to see what is known from earlier work. While you work, write down progress, decisions and what is worth knowing next time: the conversation may be cut at any moment, and what is not in the directory is lost. Keep its files in order, and delete what no longer holds.',
  parameters: object(
    {
      command: {
        type: 'string',
        enum: ['view', 'create', 'str_replace', 'insert', 'delete', 'rename'],
        description: 'The command to run.',
      },
      path: string(
        'Required parameter of all commands but `rename`: a path under `/memories`, e.g. `/memories/notes.md`.',
      ),
      view_range: viewRange,
      file_text: string('Required parameter of `create`: the content of the file.'),
      old_str: string('Required parameter of `str_replace`: the text to replace; it must match exactly one place.'),
      new_str: string('Required parameter of `str_replace`: the new text.'),
      insert_line: integer('Required parameter of `insert`: the text goes behind this line; 0 is the top of the file.'),
      insert_text: string('Required parameter of `insert`: the text to insert.'),
      old_path: string('Required parameter of `rename`: the path of the file or directory now.'),
      new_path: string('Required parameter of `rename`: its new path.'),
    },
    'command',
  ),
}

/** Actions of the computer tool, by the date of the version that introduced them. */
const actions: readonly [since: number, ...names: string[]][] = [
  [
    0,
    'key',
    'type',
    'cursor_position',
    'mouse_move',
    'left_click',
    'left_click_drag',
    'right_click',
    'middle_click',
    'double_click',
    'screenshot',
  ],
  [20250124, 'left_mouse_down', 'left_mouse_up', 'triple_click', 'scroll', 'hold_key', 'wait'],
]

function computer(tool: Fields, date: number): ClientTool {
  const { display_width_px: width, display_height_px: height, display_number } = tool
  const known = actions.filter(([since]) => date >= since).flatMap(([, ...names]) => names)
  const isFirst = date < 20250124
  const zooms = date >= 20251124 && tool.enable_zoom === true
  const display = typeof display_number === 'number' ? ` It is display ${display_number}.` : ''
  const size = width && height ? ` The screen is ${width} pixels wide and ${height} high.${display}` : display
  return {
    name: 'computer',
    description: `Use a computer with mouse and keyboard, and take screenshots of it.${size} Take a screenshot to find out where something is before you click on it, and aim at its middle. Programs may need time to start or to react: take another screenshot, then.`,
    parameters: object(
      {
        action: {
          type: 'string',
          enum: zooms ? [...known, 'zoom'] : known,
          description: 'What to do. `key` presses a key or a combination in the names of xdotool, `type` types a text.',
        },
        coordinate: numbers(
          2,
          'x and y in pixels from the left and the upper edge. Required parameter of `mouse_move` and `left_click_drag`, where the drag ends there.',
        ),
        text: string(
          isFirst
            ? 'Required parameter of `type` and `key`: the text, or the keys.'
            : 'Required parameter of `type`, `key` and `hold_key`: the text, or the keys. Of clicks and `scroll`: keys to hold down meanwhile.',
        ),
        ...(isFirst
          ? {}
          : {
              start_coordinate: numbers(2, 'Required parameter of `left_click_drag`: x and y where the drag begins.'),
              scroll_direction: {
                type: 'string',
                enum: ['up', 'down', 'left', 'right'],
                description: 'Required parameter of `scroll`.',
              },
              scroll_amount: integer('Required parameter of `scroll`: clicks of the wheel.'),
              duration: { type: 'number', description: 'Required parameter of `hold_key` and `wait`: seconds.' },
            }),
        ...(zooms
          ? { region: numbers(4, 'Required parameter of `zoom`: x0, y0, x1 and y1 of the part to show enlarged.') }
          : {}),
      },
      'action',
    ),
  }
}
