// Temporal's frontend with an authorizer, for one key: calls with it go on to a real server, except for the first ones of
// one method, if it is told of them. It ends with its parent.
import http2 from 'node:http2'

const [, , upstream, apiKey, method, times] = process.argv
let refusals = Number(times ?? 0)
const UNAUTHENTICATED = '16', PERMISSION_DENIED = '7'

function refuse(stream, status, message) {
  const answer = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': status, 'grpc-message': message }
  stream.respond(answer, { endStream: true })
}

function pass(stream, headers, behind) {
  const on = behind.request(Object.fromEntries(Object.entries(headers)))
  let trailers = {}
  on.on('error', () => {})
  on.on('response', (answer, flags) => {
    const isAll = Boolean(flags & http2.constants.NGHTTP2_FLAG_END_STREAM)
    stream.respond(answer, isAll ? { endStream: true } : { waitForTrailers: true })
  })
  on.on('trailers', found => { trailers = found })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.on('close', () => on.close())
  stream.pipe(on).pipe(stream)
}

const server = http2.createServer()
server.on('session', session => {
  const behind = http2.connect(`http://${upstream}`)
  const end = () => { session.destroy(); behind.destroy() }
  for (const each of [session, behind]) each.on('close', end).on('error', end)
  session.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    if (headers.authorization === undefined) refuse(stream, UNAUTHENTICATED, 'Jwt is missing')
    else if (headers.authorization !== `Bearer ${apiKey}`) refuse(stream, PERMISSION_DENIED, 'Request unauthorized.')
    else if (headers[':path'].endsWith(`/${method}`) && refusals-- > 0) refuse(stream, PERMISSION_DENIED, 'Not yet.')
    else pass(stream, headers, behind)
  })
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => process.exit()).resume()
