// Runs the suite of http-tests through a gateway, and counts what passed:  node cache_tests.mjs SUITE GATEWAY [TEST_ID]
// SUITE is the folder of the npm package, or of a checkout, whose files lie one folder deeper.

import { existsSync } from 'node:fs'

const [suite, gateway, only] = process.argv.slice(2)
const engine = existsSync(`${suite}/test-engine`) ? `${suite}/test-engine` : suite

// Required tests that the gateway fails on purpose.
const REASONS = {
  'headers-store-Set-Cookie': 'an answer with Set-Cookie is one client\'s, and never kept',
  'headers-store-Set-Cookie2': 'likewise',
  'headers-store-Transfer-Encoding': 'an answer with a length and a transfer coding is a 502',
}

const login = await fetch(`${gateway}/auth/login`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ username: 'admin', password: process.env.TOLLGATE_PASSWORD }),
})
const token = (await login.json()).access_token
const plainFetch = globalThis.fetch
globalThis.fetch = (url, init = {}) => {
  const headers = Array.isArray(init.headers) ? init.headers : Object.entries(init.headers ?? {})
  return plainFetch(url, { ...init, headers: [...headers, ['Authorization', `Bearer ${token}`]] })
}

const { default: all } = await import(`${suite}/tests/index.mjs`)
const { runTests, getResults } = await import(`${engine}/client/runner.mjs`)
const { determineTestResult } = await import(`${engine}/lib/results.mjs`)

// `Authorization` is for the gateway itself; M-SEARCH is no method that a route takes; CDN-Cache-Control (RFC 9213) is not read.
const applies = test =>
  !test.browser_only &&
  !test.id.includes('M-SEARCH') &&
  !test.requests.some(request => (request.request_headers ?? []).some(([name]) => name.toLowerCase() === 'authorization'))
const suites = all
  .filter(({ id }) => id !== 'cdn-cache-control')
  .map(suite => ({ ...suite, tests: suite.tests.filter(test => applies(test) && (!only || test.id === only)) }))
if (only) suites.forEach(({ tests }) => tests.forEach(test => { test.dump = true }))

await runTests(suites, false, `${gateway}/suite`)
const results = getResults()

const NAMES = { '✅': 'passed', '⛔️': 'failed', '⚠️': 'not optimal', Y: 'yes', N: 'no' }
const counts = {}
let unexpected = 0
for (const { tests } of suites) {
  for (const { id, kind = 'required' } of tests) {
    const sign = determineTestResult(all, id, results)[2]
    const result = NAMES[sign] ?? { '⚪️': 'depends on another', '🔹': 'setup failed', '↻': 'retried', '-': 'not run' }[sign] ?? 'harness failed'
    counts[kind] ??= {}
    counts[kind][result] = (counts[kind][result] ?? 0) + 1
    if (kind !== 'check' && result !== 'passed') {
      const known = REASONS[id]
      // What passes by itself counts, though a test that it builds on does not; so does what the suite could not run.
      const could = results[id] !== true && !['Error', 'AbortError'].includes(results[id]?.[0])
      if (kind === 'required' && !known && could) unexpected += 1
      console.log(`${kind} ${id}: ${result}${known ? ` (${known})` : ''} ${JSON.stringify(results[id] ?? null)}`)
    }
  }
}
for (const [kind, results] of Object.entries(counts)) {
  console.log(`${kind}: ${Object.entries(results).map(([result, count]) => `${count} ${result}`).join(', ')}`)
}
process.exit(unexpected > 0 ? 1 : 0)
