import { Type } from '@sinclair/typebox'
import { captureModes } from '../../observe/capture-mode.ts'
import { logFormats, logLevels } from '../../observe/log.ts'
import type { Setting } from '../setting.ts'
import { choice, list, onOff, wholeNumber, word } from '../value-kinds.ts'

const collector = word(
  'URL',
  'an http(s) URL without user name',
  Type.Union([Type.String({ pattern: '^https?://[^/@\\s]+(/\\S*)?$' }), Type.Undefined()]),
)

const headers = list(
  'HEADERS',
  'name=value pairs of printable ASCII, separated by commas',
  Type.String({ pattern: '^[A-Za-z0-9!#$&^_.+-]+=[\\x21-\\x7e]+$' }),
)

/** Log, metrics and traces. */
export const logSettings = {
  logLevel: {
    env: 'LOG_LEVEL',
    group: 'log',
    kind: choice(logLevels),
    default: 'info',
    about: 'Least important lines to write.',
    role: 'plain',
  },
  debugLogging: {
    env: 'DEBUG_LOGGING',
    group: 'log',
    kind: onOff,
    default: 'false',
    about: 'Short for LOG_LEVEL=debug, where LOG_LEVEL is not set.',
    role: 'plain',
  },
  logFormat: {
    env: 'LOG_FORMAT',
    group: 'log',
    kind: choice(logFormats),
    default: 'auto',
    about:
      'Shape of a log line: short one of 100 columns a request, text all facts, json the same for programs, auto short on a terminal and text elsewhere.',
    role: 'plain',
  },
  logKeep: {
    env: 'LOG_KEEP',
    group: 'log',
    kind: word(
      'AGE,ROWS',
      'an age in d or h and a number of requests, such as 30d,1000000',
      Type.String({ pattern: '^\\d{1,5}[hd],\\d{1,9}$' }),
    ),
    default: '30d,1000000',
    about: 'How long the list of requests keeps a request, and how many it keeps at most.',
    role: 'plain',
  },
  capture: {
    env: 'CAPTURE',
    group: 'log',
    kind: choice(captureModes),
    default: 'metadata',
    about:
      'What is kept of requests for the operator: off nothing, metadata all but their content, memory also the last bodies, disk these as files in the state folder. Secrets are taken out of what is shown and of files.',
    role: 'plain',
  },
  captureMb: {
    env: 'CAPTURE_MB',
    group: 'log',
    kind: wholeNumber(1, 16_384),
    default: '64',
    about:
      'Memory for captured requests, their headers included, in MB; one message gets an eighth of it at most, and the rest is cut. With CAPTURE=disk, for those that are not written yet.',
    role: 'plain',
  },
  captureDiskMb: {
    env: 'CAPTURE_DISK_MB',
    group: 'log',
    kind: wholeNumber(1, 1_048_576),
    default: '1024',
    about:
      'Room for the files of CAPTURE=disk, in MB; the oldest are removed first, also where LOG_KEEP would keep them.',
    role: 'plain',
  },
  metrics: {
    env: 'METRICS',
    group: 'log',
    kind: onOff,
    default: 'true',
    about: 'Serve GET /metrics for Prometheus, behind AUTH_TOKEN where it is set.',
    role: 'plain',
  },
  metricsPort: {
    env: 'METRICS_PORT',
    group: 'log',
    kind: wholeNumber(0, 65_535),
    default: '0',
    about: 'Port of 127.0.0.1 that serves /metrics as well, without a key; 0 for none.',
    role: 'plain',
  },
  otlpEndpoint: {
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    group: 'log',
    kind: collector,
    default: '',
    about: 'OpenTelemetry collector that is sent one span a request, as OTLP over HTTP; never with content.',
    role: { addressOf: 'collector' },
  },
  otlpHeaders: {
    env: 'OTEL_EXPORTER_OTLP_HEADERS',
    group: 'log',
    kind: headers,
    default: '',
    about: 'Headers for that collector, such as its key; values are percent-encoded.',
    role: { credentialOf: 'collector' },
    secret: true,
  },
} as const satisfies Record<string, Setting>
