import fc from 'fast-check'

// What the first lines of a request may look like on the socket, beside what HTTP clients write.

/** A header line. */
export const hostLine = (value: string) => `Host: ${value}\r\n`

export const plainHost = hostLine('gateway.example')

/** `Host` lines of which one server is meant; none at all is HTTP/1.0's. */
export const usableHosts = [
  ...['gateway.example', 'gateway.example:8080', 'a', 'ab', 'abc', 'ABC', 'a:1', 'my_host.', '10.0.0.1:80'],
  ...['[::1]', '[::1]:80', '[fe80::1%eth0]:80', ''],
].map(hostLine)

/** And those of which none is, or more than one. */
export const unusableHosts = [
  ...['a@b', 'user:word@a', 'a b', 'a/b', '/healthz', 'a/healthz', 'a?b', 'a?/healthz', 'a#b', 'a\\b', 'a,b', 'a%2fb'],
  ...[
    '[::1',
    '::1]',
    '::1',
    '[]',
    '[::1]x',
    'http://a',
    'a:b',
    'a:1:2',
    '\xe4',
    'a\tb',
    'a\x01b',
    'a\x7fb',
    '<a>',
    '"',
  ],
]
  .map(hostLine)
  .concat(
    hostLine('a') + hostLine('b'),
    hostLine('a') + hostLine('a'),
    hostLine('localhost') + hostLine('a/healthz'),
    hostLine('') + hostLine('a'),
    hostLine('a') + hostLine(''),
    hostLine('') + hostLine(''),
  )

/** Other ways to write the same path. */
export const sameTarget: ((path: string) => string)[] = [
  (path) => path,
  (path) => `http://other.example${path}`,
  (path) => `HTTPS://o${path}`,
  (path) => `http://a@b${path}`,
  (path) => `http://a${path}?x=/`,
  (path) => `/${path}`,
  (path) => path.replaceAll('/', '///'),
  (path) => `/.${path}`,
  (path) => `/x/..${path}`,
  (path) => `/%2e${path}`,
  (path) => `/x/%2E%2e${path}`,
  (path) => `/healthz/..${path}`,
  (path) => `/docs/%2e%2e${path}`,
  (path) => `/\\healthz\\..${path}`,
  (path) => `/${path.slice(1).replaceAll('/', '\\')}`,
  (path) => `${path}?x=/`,
  (path) => `${path}?/healthz`,
  (path) => `${path}?x=/docs/ui.js`,
  (path) => `${path}?//healthz`,
  (path) => `${path}?x=http://a/healthz`,
  (path) => `${path}?a=1?/healthz`,
  (path) => `${path}#/healthz`,
  (path) => `${path}#?/healthz`,
  (path) => `${path}?#/healthz`,
]

/** Writings that lead elsewhere, or nowhere, and that a careless reader takes for the same or for an open page. */
export const otherTarget: ((path: string) => string)[] = [
  (path) => `${path}//`,
  (path) => `/docs/..%2f${path.slice(1)}`,
  (path) => `/healthz%2f..${path}`,
  (path) => `/healthz;${path}`,
  (path) => `/healthz${path}`,
  (path) => `/docs${path}`,
  (path) => `/healthz#${path}`,
  (path) => `/healthz?${path}`,
  (path) => `${path}/../healthz`,
  (path) => `/${path.slice(1).replaceAll('/', '%2f')}`,
  (path) => `/${path.slice(1).replaceAll('/', '%5c')}`,
  (path) => path.toUpperCase(),
  (path) => path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  (path) => `${path}%3f/healthz`,
  (path) => `${path}%23/healthz`,
  (path) => `${path};/healthz`,
  (path) => `${path}%00/healthz`,
  () => 'http://other.example?x=/healthz',
  () => 'http://other.example',
]

export interface Shaped {
  method: string
  target: string
  /** Ready lines. */
  host: string
  version: string
}

/** Pieces of paths, hosts and their delimiters in any order. */
export function anyRequest(): fc.Arbitrary<Shaped> {
  const piece = fc.constantFrom(
    ...[
      '/',
      '/',
      '//',
      '/.',
      '/..',
      '/%2e%2e',
      '%2f',
      '%5c',
      '\\',
      '?',
      '#',
      ';',
      '@',
      ':',
      '%00',
      '.',
      'a',
      'http://a',
    ],
    ...['/healthz', '/docs', '/docs/ui.js', '/v1/models', '/v1/chat/completions', '/v1/messages', '/metrics', '/v1'],
  )
  const text = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''))
  return fc.record({
    method: fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS', 'DELETE', 'PUT'),
    target: text.map((text) => `/${text}`),
    host: fc.oneof(
      fc.constantFrom('', ...usableHosts, ...unusableHosts),
      text.map((text) => `Host: ${text}\r\n`),
    ),
    version: fc.constantFrom('1.0', '1.1'),
  })
}
