/** One tool of Anthropic's computer or browser toolset. The client runs it. */
export interface ToolDefinition {
  description: string
  /** JSON schemas of its arguments by name. Those that end in `?` are optional. */
  arguments: Record<string, object>
  /** Offered only if the request enables it. */
  onRequest?: true
}

const string = (description: string) => ({ type: 'string', description })
const number = (description: string) => ({ type: 'number', description })
const integer = (description: string) => ({ type: 'integer', description })
const numbers = (count: number, description: string) => ({
  type: 'array',
  items: { type: 'number' },
  minItems: count,
  maxItems: count,
  description,
})
const direction = { type: 'string', enum: ['up', 'down', 'left', 'right'] }

const point = numbers(2, 'x pixels from the left edge, y pixels from the top edge.')
const held = { 'text?': string('Keys to hold down meanwhile, e.g. "ctrl", "shift", "ctrl+shift".') }
const click = { 'coordinate?': point, ...held }
const where = 'at the (x, y) pixel coordinate, or at the cursor if `coordinate` is left out.'

/** Source: `computer_toolset_20260801` in the types of SDK 1.14, mostly in its words. */
export const computerTools: Record<string, ToolDefinition> = {
  key: {
    description:
      'Press a key or key-combination on the keyboard. Use "+" to combine modifiers with a key (e.g. "ctrl+s", "alt+Tab"). Common names like "Return", "Tab", "Escape", "Up", "Page_Down", "BackSpace" are supported.',
    arguments: {
      text: string('The key or key-combination to press.'),
      'repeat?': integer('Number of times to repeat the key press. Default is 1.'),
    },
  },
  hold_key: {
    description: 'Hold down a key or key-combination for a time. Uses the same key syntax as `key`.',
    arguments: { text: string('The key or key-combination to hold.'), duration: number('Seconds to hold the key.') },
  },
  type: {
    description: 'Type a string of text on the keyboard.',
    arguments: { text: string('The text to type.') },
  },
  cursor_position: { description: 'Get the current (x, y) pixel coordinate of the cursor.', arguments: {} },
  mouse_move: {
    description:
      'Move the cursor to an (x, y) pixel coordinate. Use this ONLY to hover without clicking; otherwise use a click directly.',
    arguments: { coordinate: point },
  },
  left_mouse_down: { description: 'Press and hold the left mouse button at the cursor.', arguments: {} },
  left_mouse_up: { description: 'Release the left mouse button.', arguments: {} },
  left_click: { description: `Click the left mouse button ${where}`, arguments: click },
  left_click_drag: {
    description: 'Click and drag the cursor from `start_coordinate` to `coordinate`.',
    arguments: { start_coordinate: point, coordinate: point, ...held },
  },
  right_click: { description: `Click the right mouse button ${where}`, arguments: click },
  middle_click: { description: `Click the middle mouse button ${where}`, arguments: click },
  double_click: { description: `Double-click the left mouse button ${where}`, arguments: click },
  triple_click: { description: `Triple-click the left mouse button ${where}`, arguments: click },
  scroll: {
    description: `Scroll the screen ${where} Do NOT use PageUp/PageDown to scroll.`,
    arguments: { scroll_direction: direction, scroll_amount: integer("Number of 'clicks' of the wheel."), ...click },
  },
  wait: { description: 'Wait for a time.', arguments: { duration: number('Seconds to wait.') } },
  screenshot: { description: 'Take a screenshot of the screen.', arguments: {} },
  zoom: {
    description:
      'Take a screenshot of a rectangular region, in the coordinates of the full screenshot, scaled up so that fine details become legible.',
    arguments: { region: numbers(4, '(x0, y0, x1, y1): the region to capture.') },
  },
}

const tab = { 'tab_id?': string('Tab to act on. Defaults to the active tab.') }
const coordinate = {
  type: 'object',
  properties: { type: { const: 'coordinate' }, x: { type: 'number' }, y: { type: 'number' } },
  required: ['type', 'x', 'y'],
  description: 'A point in the browser viewport, in viewport pixels.',
}
const element = {
  type: 'object',
  properties: { type: { const: 'ref' }, ref: { type: 'string' } },
  required: ['type', 'ref'],
  description: 'An element on the page, by a reference from an earlier `read_page` or `find`.',
}
const target = { anyOf: [coordinate, element] }
const modifiers = { 'modifiers?': string('Keys to hold down meanwhile, e.g. "shift", "ctrl+shift".') }
const browserClick = { target, ...modifiers, ...tab }
const onTarget = 'at a viewport coordinate or on an element by reference.'

/** Source: `browser_toolset_20260801` in the types of SDK 1.14, mostly in its words. */
export const browserTools: Record<string, ToolDefinition> = {
  navigate: {
    description: 'Navigate to a URL, or go back, forward or reload in history.',
    arguments: { url: string('The URL to navigate to, or "back", "forward" or "reload".'), ...tab },
  },
  screenshot: { description: 'Capture the current browser viewport.', arguments: tab },
  zoom: {
    description: 'Return a cropped screenshot of a viewport region, scaled up for closer inspection.',
    arguments: { region: numbers(4, '[x0, y0, x1, y1] in viewport pixels.'), ...tab },
  },
  left_click: { description: `Left-click ${onTarget}`, arguments: browserClick },
  right_click: { description: `Right-click ${onTarget}`, arguments: browserClick },
  middle_click: { description: `Middle-click ${onTarget}`, arguments: browserClick },
  double_click: { description: `Double left-click ${onTarget}`, arguments: browserClick },
  triple_click: { description: `Triple left-click ${onTarget}`, arguments: browserClick },
  hover: { description: 'Move the cursor to a coordinate or element without clicking.', arguments: { target, ...tab } },
  left_click_drag: {
    description: 'Press at `from`, drag to `target`, release.',
    arguments: { from: coordinate, target: coordinate, ...tab },
  },
  left_mouse_down: {
    description: 'Press and hold the left mouse button at a viewport coordinate; `left_mouse_up` ends the drag.',
    arguments: { target: coordinate, ...tab },
  },
  left_mouse_up: {
    description: 'Release the left mouse button at a viewport coordinate.',
    arguments: { target: coordinate, ...tab },
  },
  mouse_move: {
    description: 'Move the pointer to a viewport coordinate without clicking.',
    arguments: { target: coordinate, ...tab },
  },
  scroll: {
    description: 'Scroll at a viewport position.',
    arguments: {
      target: coordinate,
      scroll_direction: direction,
      'scroll_amount?': integer('Scroll-wheel notches (1–10). Default 3.'),
      ...tab,
    },
  },
  scroll_to: { description: 'Scroll an element into view.', arguments: { target: element, ...tab } },
  type: {
    description: 'Type a literal string at the current focus.',
    arguments: { text: string('The text to type.'), ...tab },
  },
  key: {
    description:
      'Press a key or key chord. Use "+" to combine modifiers with a key (e.g. "ctrl+a") and space to sequence presses.',
    arguments: {
      text: string('The key, chord, or space-separated sequence to press.'),
      'repeat?': integer('Number of times to repeat. Default 1.'),
      ...tab,
    },
  },
  hold_key: {
    description: 'Hold a key or key chord down for a time, then release it.',
    arguments: { text: string('The key or chord to hold.'), duration: number('Seconds (maximum 30).'), ...tab },
  },
  form_input: {
    description:
      'Set the value of a form element (input, textarea, select, checkbox). Use a boolean for checkboxes, an option value or text for selects.',
    arguments: { target: element, value: { type: ['string', 'number', 'boolean'] }, ...tab },
  },
  read_page: {
    description:
      'Return an accessibility tree of the page, or of the part under `ref`, with element references like [ref_7] to use as targets.',
    arguments: {
      'depth?': integer('Maximum tree depth. Default 15.'),
      'filter?': {
        type: 'string',
        enum: ['all', 'interactive'],
        description: '"all" adds what is outside the viewport.',
      },
      'ref?': string('Element to read from. Default: the page root.'),
      ...tab,
    },
  },
  find: {
    description: 'Find elements by a description in words; returns up to 20 with their references.',
    arguments: { query: string('What to find, e.g. "search bar".'), ...tab },
  },
  get_page_text: { description: "Return the page's visible text as plain text.", arguments: tab },
  wait: { description: 'Pause for a time.', arguments: { duration: number('Seconds to wait (maximum 30).'), ...tab } },
  file_upload: {
    description: 'Set a file-input element to one or more files. One of `paths` and `document_ids` is required.',
    arguments: {
      target: element,
      'paths?': { type: 'array', items: { type: 'string' }, description: "Paths on the browser's machine." },
      'document_ids?': { type: 'array', items: { type: 'string' }, description: 'References to staged files.' },
      ...tab,
    },
    onRequest: true,
  },
  read_console: {
    description: 'Return console output of the tab since the last read, one line per entry.',
    arguments: tab,
    onRequest: true,
  },
  read_network: {
    description: 'Return the network requests of the tab since the last read, one line per entry.',
    arguments: tab,
    onRequest: true,
  },
  javascript_exec: {
    description: 'Execute JavaScript in the page and return the value of the last expression. Do NOT use `return`.',
    arguments: { text: string('JavaScript to execute in the page context.'), ...tab },
    onRequest: true,
  },
  new_tab: { description: 'Open a new empty tab and return its tab_id.', arguments: {} },
  list_tabs: { description: "List all open tabs with each tab's tab_id, title, and URL.", arguments: {} },
  switch_tab: {
    description: 'Make a tab the active one, to which actions without a tab_id apply.',
    arguments: { tab_id: string('The tab to switch to.') },
  },
  close_tab: { description: 'Close a tab.', arguments: { tab_id: string('The tab to close.') } },
}
