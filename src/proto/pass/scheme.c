/* SPDX-License-Identifier: Apache-2.0 */
/* One table of scheme names; what is not in it is refused at import, not at the first login. */
#include "proto/pass/scheme.h"

#include "base/codec.h"
#include "base/err.h"

enum { DIGEST_MAX_BYTES = 64, SALT_MAX_BYTES = 128 };

static const struct row {
	const char *name;
	enum scheme_kind kind;
	enum scheme_encoding encoding;
	const char *digest;
	size_t bytes;
	bool salted;
} rows[] = {
	{ "CRYPT", SCHEME_CRYPT },
	{ "DES-CRYPT", SCHEME_CRYPT },
	{ "MD5-CRYPT", SCHEME_CRYPT },
	{ "MD5", SCHEME_CRYPT },	/* Dovecot: another name of MD5-CRYPT */
	{ "SHA256-CRYPT", SCHEME_CRYPT },
	{ "SHA512-CRYPT", SCHEME_CRYPT },
	{ "BLF-CRYPT", SCHEME_CRYPT },
	{ "ARGON2I", SCHEME_ARGON2 },
	{ "ARGON2ID", SCHEME_ARGON2 },
	{ "PBKDF2", SCHEME_PBKDF2 },
	{ "PLAIN", SCHEME_PLAIN },
	{ "CLEAR", SCHEME_PLAIN },
	{ "CLEARTEXT", SCHEME_PLAIN },
	{ "PLAIN-MD5", SCHEME_DIGEST, SCHEME_HEX, "MD5", 16, false },
	{ "LDAP-MD5", SCHEME_DIGEST, SCHEME_BASE64, "MD5", 16, false },
	{ "SMD5", SCHEME_DIGEST, SCHEME_BASE64, "MD5", 16, true },
	{ "SHA", SCHEME_DIGEST, SCHEME_BASE64, "SHA1", 20, false },
	{ "SHA1", SCHEME_DIGEST, SCHEME_BASE64, "SHA1", 20, false },
	{ "SSHA", SCHEME_DIGEST, SCHEME_BASE64, "SHA1", 20, true },
	{ "SHA256", SCHEME_DIGEST, SCHEME_BASE64, "SHA256", 32, false },
	{ "SSHA256", SCHEME_DIGEST, SCHEME_BASE64, "SHA256", 32, true },
	{ "SHA512", SCHEME_DIGEST, SCHEME_BASE64, "SHA512", 64, false },
	{ "SSHA512", SCHEME_DIGEST, SCHEME_BASE64, "SHA512", 64, true },
};

static const struct row *row_of(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (slice_eq_ci(name, slice_str(rows[i].name)))
			return &rows[i];
	return NULL;
}

static bool printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 32 || s.p[i] >= 127)
			return false;
	return true;
}

/* Takes ".HEX", ".B64" or ".BASE64" off the name. */
static bool take_encoding(struct slice *name, enum scheme_encoding *encoding)
{
	static const struct {
		const char *suffix;
		enum scheme_encoding encoding;
	} suffixes[] = { { ".HEX", SCHEME_HEX }, { ".B64", SCHEME_BASE64 }, { ".BASE64", SCHEME_BASE64 } };
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		struct slice suffix = slice_str(suffixes[i].suffix);
		if (slice_ends_ci(*name, suffix)) {
			*name = slice_sub(*name, 0, name->n - suffix.n);
			*encoding = suffixes[i].encoding;
			return true;
		}
	}
	return false;
}

static bool decodes(const struct scheme *s)
{
	struct buf out = BUF_INIT(DIGEST_MAX_BYTES + SALT_MAX_BYTES);
	int r = s->encoding == SCHEME_HEX ? hex_decode(&out, s->payload) : base64_decode(&out, s->payload);
	bool ok = r == 0 && (s->salted ? out.n > s->digest_bytes : out.n == s->digest_bytes);
	buf_fini(&out);
	return ok;
}

/* What one login may cost: whoever imports hashes must not be able to tie up the room that checks them. */
enum { ROUNDS_MAX = 1000 * 1000, BCRYPT_MAX = 14, YESCRYPT_LOG_MAX = 16, ARGON2_KIB_MAX = 1 << 20, ARGON2_PASSES_MAX = 32 };

/* The number behind name, 0 where it is absent, UINT64_MAX where it is none. */
static uint64_t cost_of(struct slice s, const char *name)
{
	ptrdiff_t at = slice_find(s, slice_str(name), 0);
	uint64_t v = 0;
	if (at < 0)
		return 0;
	size_t from = (size_t)at + strlen(name), to = from;
	while (to < s.n && ascii_is_digit(s.p[to]))
		to++;
	return slice_u64(slice_sub(s, from, to), UINT64_MAX - 1, &v) < 0 ? UINT64_MAX : v;
}

static unsigned crypt_digit(uint8_t c)
{
	static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	const char *at = c ? strchr(alphabet, c) : NULL;
	return at ? (unsigned)(at - alphabet) : 64;
}

static bool crypt_affordable(struct slice s)
{
	if (s.p[1] == '2')
		return ascii_is_digit(s.p[4]) && ascii_is_digit(s.p[5]) && (s.p[4] - '0') * 10 + (s.p[5] - '0') <= BCRYPT_MAX;
	if (s.p[1] == 'y' || s.p[1] == 'g')
		return crypt_digit(s.p[s.p[1] == 'y' ? 4 : 5]) < YESCRYPT_LOG_MAX;
	if (s.p[1] == '7')
		return crypt_digit(s.p[3]) <= YESCRYPT_LOG_MAX;
	return cost_of(s, "$rounds=") <= ROUNDS_MAX;
}

static bool crypt_form(struct slice s)
{
	static const char *const forms[] = { "$1$", "$5$", "$6$", "$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$" };
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (slice_starts(s, slice_str(forms[i])))
			return s.n >= 20 && crypt_affordable(s);
	return false;
}

/* 13 characters of the crypt alphabet, only where {CRYPT} or {DES-CRYPT} says so. */
static bool des_form(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) && s.p[i] != '.' && s.p[i] != '/')
			return false;
	return s.n == 13;
}

static bool argon2_form(struct slice s)
{
	return (slice_starts(s, SLICE("$argon2i$")) || slice_starts(s, SLICE("$argon2id$"))) && s.n >= 40 &&
	       cost_of(s, "$m=") <= ARGON2_KIB_MAX && cost_of(s, ",t=") <= ARGON2_PASSES_MAX;
}

/* $1$SALT$ROUNDS$40 hex digits. */
static bool pbkdf2_form(struct slice s)
{
	ptrdiff_t salt = slice_starts(s, SLICE("$1$")) ? slice_find_byte(s, '$', 3) : -1;
	ptrdiff_t rounds = salt < 4 ? -1 : slice_find_byte(s, '$', (size_t)salt + 1);
	uint64_t n;
	return rounds > 0 && s.n == (size_t)rounds + 41 &&
	       slice_u64(slice_sub(s, (size_t)salt + 1, (size_t)rounds), ROUNDS_MAX, &n) == 0 && n > 0;
}

static int check(const struct scheme *s)
{
	bool ok = false;
	switch (s->kind) {
	case SCHEME_CRYPT:
		ok = (crypt_form(s->payload) || des_form(s->payload)) && printable(s->payload);
		break;
	case SCHEME_ARGON2:
		ok = argon2_form(s->payload) && printable(s->payload);
		break;
	case SCHEME_PBKDF2:
		ok = pbkdf2_form(s->payload) && printable(s->payload);
		break;
	case SCHEME_PLAIN:
		ok = s->payload.n && slice_find_byte(s->payload, 0, 0) < 0;
		break;
	case SCHEME_DIGEST:
		ok = decodes(s);
		break;
	}
	return ok ? 0 : ERR_INVALID;
}

static int bare(struct slice text, struct scheme *ret)
{
	struct scheme s = { .payload = text };
	if (slice_starts(text, SLICE("$argon2")))
		s.kind = SCHEME_ARGON2;
	else if (slice_starts(text, SLICE("$")) && crypt_form(text))
		s.kind = SCHEME_CRYPT;
	else
		return scheme_looks_hashed(text) ? ERR_UNSUPPORTED : ERR_SYNTAX;
	int r = check(&s);
	if (r == 0)
		*ret = s;
	return r;
}

int scheme_parse(struct slice text, struct scheme *ret)
{
	ptrdiff_t end = text.n && text.p[0] == '{' ? slice_find_byte(text, '}', 1) : -1;
	if (end < 2)
		return bare(text, ret);
	struct slice name = slice_sub(text, 1, (size_t)end);
	enum scheme_encoding encoding = SCHEME_TEXT;
	bool named = take_encoding(&name, &encoding);
	const struct row *row = row_of(name);
	if (!row)
		return scheme_looks_hashed(text) ? ERR_UNSUPPORTED : ERR_SYNTAX;
	if (named && row->kind != SCHEME_DIGEST)
		return ERR_UNSUPPORTED;
	struct scheme s = {
		.kind = row->kind, .encoding = named ? encoding : row->encoding, .digest = row->digest,
		.digest_bytes = row->bytes, .salted = row->salted,
		.payload = slice_sub(text, (size_t)end + 1, text.n),
	};
	/* Dovecot writes plain digests in hex too; its length tells. */
	if (!named && s.kind == SCHEME_DIGEST && !s.salted && s.payload.n == 2 * s.digest_bytes)
		s.encoding = SCHEME_HEX;
	int r = check(&s);
	if (r == 0)
		*ret = s;
	return r;
}

bool scheme_looks_hashed(struct slice text)
{
	ptrdiff_t end;
	if (text.n < 3 || (text.p[0] != '{' && text.p[0] != '$'))
		return false;
	end = slice_find_byte(text, text.p[0] == '{' ? '}' : '$', 1);
	if (end < 2 || end > 24)
		return false;
	for (ptrdiff_t i = 1; i < end; i++) {
		uint8_t c = text.p[i];
		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '.')
			return false;
	}
	return true;
}
