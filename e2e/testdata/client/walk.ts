// A client that is generated from /openapi.json walks from sign-up to logout. The compiler checks
// that the document says enough, and the server that it says what is true.
import createClient from 'openapi-fetch'
import type { paths } from './api'

declare const process: { argv: string[] }

const api = createClient<paths>({ baseUrl: process.argv[2] })
const who = { username: 'alice', password: 'correct horse battery' }

type Problem = { code: string; detail: string }

function must<T>(step: string, want: number, got: { data?: T; error?: Problem; response: Response }): T {
	if (got.response.status !== want) {
		throw new Error(`${step}: ${got.response.status} ${JSON.stringify(got.error)}, want ${want}`)
	}
	console.log(step, got.response.status)
	return got.data as T
}

const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } })

const user = must('sign-up', 201, await api.POST('/v1/users', { body: who }))
const email: string | null = user.email
if (email !== null || user.roles.join() !== 'user') throw new Error(`made ${JSON.stringify(user)}`)

const first = must('login', 200, await api.POST('/v1/login', { body: who }))
const me = must('me', 200, await api.GET('/v1/me', bearer(first.access_token)))
if (me.user.id !== user.id) throw new Error(`I am ${JSON.stringify(me)}`)

// It is left out only where the browser keeps it in a cookie.
const second = must('refresh', 200, await api.POST('/v1/refresh', { body: { refresh_token: first.refresh_token! } }))
const seconds: number = second.expires_in
if (seconds <= 0 || second.session_id !== first.session_id) throw new Error(`refreshed ${JSON.stringify(second)}`)

const sessions = must('sessions', 200, await api.GET('/v1/sessions', {
	params: { query: { limit: 10 } }, ...bearer(second.access_token),
}))
if (sessions.items.length !== 1 || !sessions.items[0]?.current) throw new Error(JSON.stringify(sessions))

const shown = must('user', 200, await api.GET('/v1/users/{id}', {
	params: { path: { id: user.id } }, ...bearer(second.access_token),
}))
if (shown.username !== who.username) throw new Error(JSON.stringify(shown))

must('logout', 204, await api.POST('/v1/logout', bearer(second.access_token)))

const refused = await api.GET('/v1/me', bearer(second.access_token))
if (refused.error?.code !== 'token_revoked') throw new Error(`after the logout: ${JSON.stringify(refused)}`)
const replayed = await api.POST('/v1/refresh', { body: { refresh_token: second.refresh_token! } })
if (replayed.error?.code !== 'refresh_token_invalid') throw new Error(`after the logout: ${JSON.stringify(replayed)}`)
console.log('done')

// What the document does not allow does not compile.
export async function wrong() {
	// @ts-expect-error: a name is text
	await api.POST('/v1/users', { body: { username: 5, password: 'b' } })
	// @ts-expect-error: a login wants a password
	await api.POST('/v1/login', { body: { username: 'a' } })
	// @ts-expect-error: there is no such route
	await api.GET('/v1/secrets')
	// @ts-expect-error: a user has no such member
	user.password
}
