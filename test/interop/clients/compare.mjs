/**
 * Two outcomes of one step, from Apache Kafka and from Vltava: what differs is a defect, but for the differences below.
 *
 * Most of what must differ never gets into an outcome: ids of topics, members and producers, ports, times and leader
 * epochs are left out by the clients. What is left is listed here, each with its reason.
 */

/**
 * @typedef {object} Normalisation
 * @property {string} reason
 * @property {(step: string) => boolean} concerns
 * @property {(outcome: any) => any} apply returns the outcome without what may differ
 */

/** @type {Normalisation[]} */
export const NORMALISATIONS = []

/** @param {string} step @param {unknown} outcome */
export function normalise(step, outcome) {
  return NORMALISATIONS.filter(({ concerns }) => concerns(step)).reduce((value, { apply }) => apply(value), outcome)
}

/**
 * Where two outcomes differ, a line each: `path: kafka VALUE, vltava VALUE`.
 * @param {unknown} kafka
 * @param {unknown} vltava
 * @returns {string[]}
 */
export function differences(kafka, vltava, path = '') {
  const isObject = (value) => typeof value === 'object' && value !== null
  if (!isObject(kafka) || !isObject(vltava) || Array.isArray(kafka) !== Array.isArray(vltava)) {
    return Object.is(kafka, vltava) ? [] : [`${path || '(all)'}: kafka ${show(kafka)}, vltava ${show(vltava)}`]
  }
  const names = [...new Set([...Object.keys(kafka), ...Object.keys(vltava)])]
  return names.flatMap((name) => differences(kafka[name], vltava[name], path === '' ? name : `${path} > ${name}`))
}

function show(value) {
  const text = value === undefined ? '(nothing)' : JSON.stringify(value)
  return text.length > 300 ? `${text.slice(0, 300)}...` : text
}
