// Runs the suite of http-tests through a gateway, and counts what passed:  node cache_tests.mjs SUITE GATEWAY [TEST_ID]

const [suite, gateway, only] = process.argv.slice(2)
const engine = `${suite}/test-engine`

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

// As the suite judges: a test counts only where those that it builds on have passed.
const byId = Object.fromEntries(all.flatMap(({ tests }) => tests).map(test => [test.id, test]))
const judge = id => {
  const { kind = 'required', depends_on: dependencies = [] } = byId[id]
  const result = results[id]
  if (result === undefined) return 'not run'
  if (!dependencies.every(other => ['passed', 'yes'].includes(judge(other)))) return 'depends on another'
  if (result === true) return kind === 'check' ? 'yes' : 'passed'
  if (result[0] === 'Setup') return result[1] === 'retry' ? 'retried' : 'setup failed'
  if (result[0] !== 'Assertion') return 'harness failed'
  return { check: 'no', optimal: 'not optimal' }[kind] ?? 'failed'
}

const counts = {}
let unexpected = 0
for (const { tests } of suites) {
  for (const { id, kind = 'required' } of tests) {
    const result = judge(id)
    counts[kind] ??= {}
    counts[kind][result] = (counts[kind][result] ?? 0) + 1
    if (kind !== 'check' && result !== 'passed') {
      const known = REASONS[id]
      // What passes by itself counts, though a test that it builds on does not; so does what the suite could not run.
      const isItsOwn = results[id] !== true && result !== 'harness failed'
      if (kind === 'required' && !known && isItsOwn) unexpected += 1
      console.log(`${kind} ${id}: ${result}${known ? ` (${known})` : ''} ${JSON.stringify(results[id] ?? null)}`)
    }
  }
}
for (const [kind, results] of Object.entries(counts)) {
  console.log(`${kind}: ${Object.entries(results).map(([result, count]) => `${count} ${result}`).join(', ')}`)
}
process.exit(unexpected > 0 ? 1 : 0)
