/**
 * Lint: what the compiler does not see. Formatting is prettier's, the floor plan is test/layers.test.ts's.
 *
 * The engine takes clock, timers, randomness, files, sockets and threads from Env (src/base/env), so that one seed can
 * decide a whole run. ENV_EXCEPTIONS is the complete list of files that may reach around it.
 */
import js from '@eslint/js'
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

/** Node modules that tell time, draw randomness, reach a disk, a network or another thread, or run text as code. */
const ENV_MODULES = [
  'child_process',
  'cluster',
  'crypto',
  'dgram',
  'dns',
  'fs',
  'fs/promises',
  'http',
  'http2',
  'https',
  'module',
  'net',
  'perf_hooks',
  'timers',
  'timers/promises',
  'tls',
  'vm',
  'worker_threads',
]

const ENV_GLOBALS = ['Date', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'crypto', 'fetch', 'WebSocket']

/** `process` is the outside world too: these parts of it are time, scheduling, or the terminal of the user's program. */
const ENV_PROCESS = ['env', 'hrtime', 'nextTick', 'stdin', 'stdout', 'stderr', 'exit', 'exitCode', 'on', 'once', 'argv']

/** THINK BEFORE EDITING: every line is a place that the simulator cannot see. The last line that matches counts. */
const ENV_EXCEPTIONS = [
  {
    files: ['src/base/env/**'],
    reason: 'the real Env is made of these',
    modules: ENV_MODULES,
    globals: ENV_GLOBALS,
    process: ENV_PROCESS,
  },
  {
    files: ['src/base/native.ts'],
    reason: 'loads the addon by require(), and its fallback locks a directory by an exclusively created file',
    modules: ['module', 'fs'],
    process: ['env'],
  },
  {
    files: ['src/workers/*-thread.ts', 'src/engine/coordinator/*-thread.ts', 'src/server/*-thread.ts'],
    reason: 'a thread entry: takes its start-up message, ports and lifelines, and reports an assertion by dying',
    modules: ['worker_threads'],
    process: ['exit', 'exitCode', 'on'],
  },
  {
    files: ['src/engine/open.ts', 'src/server/listen.ts'],
    reason: "the composition root: makes the real Env and starts threads in the user's process",
    modules: ['worker_threads'],
  },
  {
    files: ['src/cli/**'],
    reason: "the program around the engine: the user's terminal, signals and streams; threads, as a user starts them",
    modules: ['fs', 'fs/promises', 'worker_threads'],
    process: ENV_PROCESS.filter((name) => name !== 'hrtime' && name !== 'nextTick'),
    console: true,
  },
  {
    files: ['src/cli/bench/**'],
    reason: 'measures real time on real threads, and gives the event loop its turns',
    modules: ['fs', 'worker_threads'],
    globals: ['performance', 'setImmediate'],
    process: ENV_PROCESS.filter((name) => name !== 'hrtime' && name !== 'nextTick'),
    console: true,
  },
]

const INSTEAD = 'comes from Env (src/base/env/env.ts), passed in; exceptions are listed in eslint.config.js'

/** Rules of syntax, each a selector; ESLint knows only one list per file, so the parts are joined below. */
const NO_DEFAULT_EXPORT = [
  { selector: 'ExportDefaultDeclaration', message: 'A default export has no name of its own: export by name.' },
  { selector: 'ExportSpecifier[exported.name="default"]', message: 'Export by name.' },
  { selector: 'TSExportAssignment', message: 'Export by name.' },
]
const NO_SWALLOWED_ERROR = [
  { selector: 'CatchClause[body.body.length=0]', message: 'A catch handles a named error or rethrows (style C5).' },
  {
    selector: 'CallExpression[callee.property.name="catch"] > ArrowFunctionExpression[body.body.length=0]',
    message: 'A catch handles a named error or rethrows (style C5).',
  },
]
const NO_ADDON = [
  { selector: 'Literal[value=/vltava_native/]', message: 'Only src/base/native.ts opens the addon.' },
  { selector: 'TemplateElement[value.raw=/vltava_native/]', message: 'Only src/base/native.ts opens the addon.' },
]
const NO_DOUBLE_CAST = [
  {
    selector: 'TSAsExpression > TSAsExpression:not([typeAnnotation.typeName.name="const"])',
    message: 'A cast through `unknown` hides a decode step: parse instead.',
  },
]

/** The Env rules for src, without what one exception allows. */
function envRules({ files = [], modules = [], globals = [], process = [], console = false }) {
  const bannedModules = ENV_MODULES.filter((name) => !modules.includes(name))
  const bannedGlobals = ENV_GLOBALS.filter((name) => !globals.includes(name))
  const bannedProcess = ENV_PROCESS.filter((name) => !process.includes(name))
  const moduleNames = bannedModules.map((name) => name.replace('/', '\\u002F')).join('|')
  return {
    'no-console': console ? 'off' : 'error',
    // 'off' and not an empty list: given a severity alone, ESLint keeps the options of the block before.
    'no-restricted-globals':
      bannedGlobals.length === 0
        ? 'off'
        : ['error', ...bannedGlobals.map((name) => ({ name, message: `${name} ${INSTEAD}` }))],
    'no-restricted-properties': [
      'error',
      ...bannedGlobals.map((property) => ({ object: 'globalThis', property, message: INSTEAD })),
      ...bannedProcess.map((property) => ({ object: 'process', property, message: INSTEAD })),
      ...(files.includes('src/base/env/**') ? [] : [{ object: 'Math', property: 'random', message: INSTEAD }]),
      { object: 'process', property: 'binding', message: 'internal to Node' },
      { object: 'process', property: 'getBuiltinModule', message: INSTEAD },
    ],
    '@typescript-eslint/no-restricted-imports': [
      'error',
      {
        paths: bannedModules.flatMap((name) =>
          [`node:${name}`, name].map((path) => ({ name: path, message: `${path} ${INSTEAD}`, allowTypeImports: true })),
        ),
      },
    ],
    'no-restricted-syntax': [
      'error',
      ...NO_DEFAULT_EXPORT,
      ...NO_SWALLOWED_ERROR,
      ...NO_DOUBLE_CAST,
      ...(files.includes('src/base/native.ts') ? [] : NO_ADDON),
      ...(bannedModules.length === 0
        ? []
        : [{ selector: `ImportExpression > Literal[value=/^(node:)?(${moduleNames})$/]`, message: INSTEAD }]),
    ],
  }
}

const NODE_GLOBALS = Object.fromEntries(
  (
    'AbortController AbortSignal Buffer TextDecoder TextEncoder URL clearInterval clearTimeout console fetch ' +
    'performance process queueMicrotask setImmediate setInterval setTimeout structuredClone'
  )
    .split(' ')
    .map((name) => [name, 'readonly']),
)

export default defineConfig(
  {
    ignores: [
      'dist/',
      'build/',
      'prebuilds/',
      'coverage/',
      'data/',
      '.interop/',
      'test/fixtures/',
      'test/package/app/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-control-regex': 'off', // Names and lines are checked for control characters on purpose.
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-script-url': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
    },
  },
  { files: ['**/*.mjs', '**/*.js'], languageOptions: { globals: NODE_GLOBALS } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { project: './tsconfig.check.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-implied-eval': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off', // noUncheckedIndexedAccess: `bytes[i]!` is the hot path's idiom.
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrors: 'all' }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: false }],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'error',
      '@typescript-eslint/no-unsafe-assignment': 'error',
      '@typescript-eslint/no-unsafe-call': 'error',
      '@typescript-eslint/no-unsafe-member-access': 'error',
      '@typescript-eslint/no-unsafe-return': 'error',
      '@typescript-eslint/prefer-readonly': 'error',
      ...envRules({}),
    },
  },
  ...ENV_EXCEPTIONS.map((exception) => ({ files: exception.files, rules: envRules(exception) })),
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', ...NO_DEFAULT_EXPORT, ...NO_SWALLOWED_ERROR],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  {
    files: ['scripts/**/*.mjs', 'bench/**/*.mjs'],
    rules: { 'no-restricted-syntax': ['error', ...NO_SWALLOWED_ERROR] },
  },
)
