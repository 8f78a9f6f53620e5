/**
 * Where scripts/interop-clients.mjs has put the clients, and which of them can be run here.
 *
 *   .interop/clients/<peer>/          what was installed
 *   .interop/clients/<peer>/.ready    written last, so it marks success
 *   .interop/clients/<peer>.reason    why it is not there, one sentence
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const HERE = dirname(fileURLToPath(import.meta.url))
export const CACHE = join(HERE, '../../../.interop/clients')

/** @returns {{ ok: boolean, reason: string }} whether a peer (debian, python, node, go) is installed */
export function peer(name) {
  if (existsSync(join(CACHE, name, '.ready'))) return { ok: true, reason: '' }
  const reason = join(CACHE, `${name}.reason`)
  if (existsSync(reason)) return { ok: false, reason: readFileSync(reason, 'utf8').trim() }
  return { ok: false, reason: 'it is not installed: run node scripts/interop-clients.mjs' }
}

const require = createRequire(join(CACHE, 'node/package.json'))

/** A CommonJS package of the peer `node`. @param {string} name */
export function requirePeer(name) {
  return require(name)
}

/** A package of the peer `node` that has only modules. @param {string} name */
export function importPeer(name) {
  return import(pathToFileURL(require.resolve(name)).href)
}
