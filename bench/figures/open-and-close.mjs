/**
 * Opens a directory in a fresh process and tells how long open() took: `node open-and-close.mjs DIR`. Loading the
 * program is not part of it: a program that opens a log has been loaded.
 */
import { open } from '../../dist/index.js'

const start = performance.now()
const log = await open({ dir: process.argv[2] })
const seconds = (performance.now() - start) / 1000
const damage = await log.admin.damage()
await log.close()
const peakRss = process.resourceUsage().maxRSS * 1024
console.log(JSON.stringify({ seconds, damage: damage.length, peak_rss_bytes: peakRss }))
