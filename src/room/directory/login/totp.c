/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/login/totp.h"

#include "base/err.h"
#include "proto/pass/random.h"
#include "room/directory/db/engine_priv.h"

#include <liboath/oath.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

enum { MAX_TEXT = 64 };

/* --- codes ------------------------------------------------------------------------------------------- */

/* All steps are looked at, whichever fits; of two that have the same code the later one. */
int64_t totp_step(struct slice secret, struct slice code, int64_t now_ms, int64_t after)
{
	int64_t now = now_ms / 1000 / TOTP_STEP_S, found = 0;
	char text[TOTP_DIGITS + 1];
	if (code.n != TOTP_DIGITS)
		return 0;
	for (int64_t step = now - TOTP_AROUND; step <= now + TOTP_AROUND; step++) {
		if (oath_totp_generate((const char *)secret.p, secret.n, (time_t)(step * TOTP_STEP_S), TOTP_STEP_S, 0,
				       TOTP_DIGITS, text) != OATH_OK)
			return 0;
		if (CRYPTO_memcmp(text, code.p, TOTP_DIGITS) == 0 && step > after)
			found = step;
	}
	explicit_bzero(text, sizeof(text));
	return found;
}

/* Without the blanks and hyphens that people type, in lower case. */
static struct slice squeeze(struct arena *a, struct slice text)
{
	uint8_t *out = arena_alloc(a, MAX_TEXT + 1);
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == ' ' || text.p[i] == '-')
			continue;
		if (n == MAX_TEXT)
			return (struct slice){ 0 };
		out[n++] = ascii_lower(text.p[i]);
	}
	return slice_of(out, n);
}

bool totp_is_code(struct arena *a, struct slice text, struct slice *ret)
{
	struct slice code = squeeze(a, text);
	if (code.n != TOTP_DIGITS)
		return false;
	for (size_t i = 0; i < code.n; i++)
		if (!ascii_is_digit(code.p[i]))
			return false;
	*ret = code;
	return true;
}

static struct slice hash_of(struct arena *a, struct slice text)
{
	uint8_t *md = arena_alloc(a, SHA256_DIGEST_LENGTH);
	struct slice code = squeeze(a, text);
	SHA256(code.n ? code.p : (const uint8_t *)"", code.n, md);
	return slice_of(md, SHA256_DIGEST_LENGTH);
}

/* --- rows -------------------------------------------------------------------------------------------- */

int totp_get(struct engine *e, struct arena *a, int64_t holder, struct totp *ret)
{
	struct totp t = { 0 };
	struct sql_stmt *s = sql_prepare(e->db, "SELECT holder, secret, made, since, step, wrong FROM totp WHERE holder = ?1");
	sql_bind_int(s, 1, holder);
	int r = sql_step(s);
	if (r == 1)
		t = (struct totp){
			.holder = sql_int(s, 0),
			.sealed = column_dup(a, s, 1),
			.made_ms = sql_int(s, 2),
			.since_ms = sql_int(s, 3),
			.step = sql_int(s, 4),
			.wrong = (unsigned)sql_int(s, 5),
		};
	sql_done(s);
	if (r < 0)
		return r;
	*ret = t;
	return 0;
}

int totp_codes_left(struct engine *e, int64_t holder, unsigned *ret)
{
	int64_t n = 0;
	int r = sql_get(e->db, &n, "SELECT count(*) FROM totp_recovery WHERE holder = ?1", "i", holder);
	if (r == 0)
		*ret = (unsigned)n;
	return r;
}

/* Sealed for its holder: in somebody else's row it does not open. */
static struct slice label_of(struct arena *a, int64_t holder)
{
	return slice_str(arena_printf(a, "totp %jd", (intmax_t)holder));
}

int totp_start(struct engine *e, const struct seal *seal, struct arena *a, int64_t holder, struct slice secret, int64_t now_ms)
{
	struct slice sealed;
	int r = seal_put(seal, a, label_of(a, holder), secret, &sealed);
	if (r < 0)
		return r;
	r = sql_run(e->db,
		    "INSERT INTO totp (holder, secret, made, since, step, wrong) VALUES (?1, ?2, ?3, 0, 0, 0)"
		    " ON CONFLICT (holder) DO UPDATE SET secret = excluded.secret, made = excluded.made WHERE since = 0",
		    "ibi", holder, sealed, now_ms);
	return r < 0 ? r : r == 0 ? ERR_EXISTS : 0;
}

static int step_of(const struct seal *seal, struct arena *a, const struct totp *t, struct slice text, int64_t now_ms,
		   int64_t *ret)
{
	struct slice code, secret;
	if (!totp_is_code(a, text, &code))
		return ERR_DENIED;
	int r = seal_get(seal, a, label_of(a, t->holder), t->sealed, &secret);
	if (r < 0)
		return r;
	int64_t step = totp_step(secret, code, now_ms, t->step);
	explicit_bzero((void *)(uintptr_t)secret.p, secret.n);
	*ret = step;
	return step ? 0 : ERR_DENIED;
}

int totp_confirm(struct engine *e, const struct seal *seal, struct arena *a, const struct totp *t, struct slice code,
		 int64_t now_ms)
{
	int64_t step = 0;
	if (!t->holder || totp_is_on(t) || now_ms - t->made_ms >= TOTP_WAITS_MS || now_ms < t->made_ms)
		return ERR_NOT_FOUND;
	int r = step_of(seal, a, t, code, now_ms, &step);
	if (r == 0)
		r = sql_run(e->db, "UPDATE totp SET since = ?2, step = ?3, wrong = 0 WHERE holder = ?1 AND since = 0", "iii",
			    t->holder, now_ms, step);
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}

static int spend_code(struct engine *e, const struct seal *seal, struct arena *a, const struct totp *t, struct slice code,
		      int64_t now_ms)
{
	int64_t step = 0;
	if (t->wrong >= TOTP_WRONG_MAX)
		return ERR_DENIED;
	int r = step_of(seal, a, t, code, now_ms, &step);
	if (r == 0)
		r = sql_run(e->db, "UPDATE totp SET step = ?2, wrong = 0 WHERE holder = ?1 AND since > 0 AND step < ?2", "ii",
			    t->holder, step);
	return r < 0 ? r : r == 0 ? ERR_DENIED : 0;
}

static int spend_recovery(struct engine *e, struct arena *a, const struct totp *t, struct slice code)
{
	int r = sql_run(e->db, "DELETE FROM totp_recovery WHERE holder = ?1 AND hash = ?2", "ib", t->holder,
			hash_of(a, code));
	if (r > 0)
		r = sql_run(e->db, "UPDATE totp SET wrong = 0 WHERE holder = ?1 AND since > 0", "i", t->holder);
	return r < 0 ? r : r == 0 ? ERR_DENIED : 0;
}

int totp_spend(struct engine *e, const struct seal *seal, struct arena *a, const struct totp *t, struct slice code,
	       int64_t now_ms, bool *ret_recovery)
{
	struct slice digits;
	if (!totp_is_on(t))
		return ERR_DENIED;
	*ret_recovery = !totp_is_code(a, code, &digits);
	return *ret_recovery ? spend_recovery(e, a, t, code) : spend_code(e, seal, a, t, code, now_ms);
}

int totp_note_wrong(struct engine *e, int64_t holder, unsigned *ret)
{
	int64_t n = 0;
	int r = sql_run(e->db, "UPDATE totp SET wrong = wrong + 1 WHERE holder = ?1", "i", holder);
	if (r >= 0)
		r = sql_get(e->db, &n, "SELECT ifnull(max(wrong), 0) FROM totp WHERE holder = ?1", "i", holder);
	if (r < 0)
		return r;
	*ret = (unsigned)n;
	return 0;
}

int totp_remove(struct engine *e, int64_t holder)
{
	int r = sql_run(e->db, "DELETE FROM totp WHERE holder = ?1", "i", holder);
	return r < 0 ? r : r == 0 ? ERR_NOT_FOUND : 0;
}

int totp_make_codes(struct engine *e, struct arena *a, int64_t holder, struct slice ret[TOTP_RECOVERY_CODES])
{
	char text[PASS_RANDOM_TEXT];
	int r = sql_run(e->db, "DELETE FROM totp_recovery WHERE holder = ?1", "i", holder);
	for (size_t i = 0; i < TOTP_RECOVERY_CODES && r >= 0; i++) {
		pass_random(text);
		ret[i] = arena_dup(a, slice_str(text));
		r = sql_run(e->db, "INSERT INTO totp_recovery (holder, hash) VALUES (?1, ?2)", "ib", holder, hash_of(a, ret[i]));
	}
	explicit_bzero(text, sizeof(text));
	return r < 0 ? r : 0;
}

/* --- for apps ---------------------------------------------------------------------------------------- */

struct slice totp_base32(struct arena *a, struct slice secret)
{
	char *text = NULL;
	size_t n = 0;
	bug_if(oath_base32_encode((const char *)secret.p, secret.n, &text, &n) != OATH_OK);
	struct slice s = arena_dup(a, slice_of(text, n));
	explicit_bzero(text, n);
	free(text);
	return s;
}

static void escape(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr("-._~@", c)))
			buf_byte(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

struct slice totp_uri(struct arena *a, struct slice base32, struct slice issuer, struct slice account)
{
	struct buf uri = BUF_INIT(4096);
	buf_str(&uri, "otpauth://totp/");
	escape(&uri, issuer);
	buf_byte(&uri, ':');
	escape(&uri, account);
	buf_printf(&uri, "?secret=" SLICE_FMT "&issuer=", SLICE_ARG(base32));
	escape(&uri, issuer);
	buf_printf(&uri, "&algorithm=SHA1&digits=%d&period=%d", TOTP_DIGITS, TOTP_STEP_S);
	struct slice s = arena_dup(a, buf_view(&uri));
	explicit_bzero(uri.p, uri.n);
	buf_fini(&uri);
	return s;
}
