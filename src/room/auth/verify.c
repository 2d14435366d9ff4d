/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemes: Argon2 by libargon2, crypt(3) forms by libxcrypt, digests and PBKDF2 by OpenSSL. A comparison takes the
 * same time wherever the texts differ; copies of passwords are wiped.
 */
#include "room/auth/verify.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/rng.h"
#include "proto/pass/scheme.h"

#include <argon2.h>
#include <crypt.h>
#include <openssl/evp.h>

enum {
	SALT_BYTES = 16,
	ARGON2_BYTES = 32,
	DIGEST_MAX = 64,
	STORED_SALT_MAX = 128,
	PBKDF2_BYTES = 20
};

static int verify_crypt(struct slice stored, struct slice password)
{
	char setting[HASH_MAX], text[PASSWORD_MAX + 1];
	if (stored.n >= sizeof(setting) || password.n > PASSWORD_MAX)
		return ERR_TOO_BIG;
	struct crypt_data *data = calloc(1, sizeof(*data));
	bug_if(!data);
	memcpy(setting, stored.p, stored.n);
	setting[stored.n] = 0;
	memcpy(text, password.p, password.n);
	text[password.n] = 0;
	const char *out = crypt_rn(text, setting, data, (int)sizeof(*data));
	int r = !out || *out == '*' ? ERR_INVALID : secret_eq(slice_str(out), stored);
	explicit_bzero(text, sizeof(text));
	explicit_bzero(data, sizeof(*data));
	free(data);
	return r;
}

static int verify_argon2(struct slice stored, struct slice password)
{
	char encoded[HASH_MAX];
	if (stored.n >= sizeof(encoded))
		return ERR_TOO_BIG;
	memcpy(encoded, stored.p, stored.n);
	encoded[stored.n] = 0;
	argon2_type type = slice_starts(stored, SLICE("$argon2id$")) ? Argon2_id : Argon2_i;
	int r = argon2_verify(encoded, password.p, password.n, type);
	return r == ARGON2_OK ? 1 : r == ARGON2_VERIFY_MISMATCH ? 0 : ERR_INVALID;
}

static int verify_digest(const struct scheme *s, struct slice password)
{
	uint8_t md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	struct buf stored = BUF_INIT(DIGEST_MAX + STORED_SALT_MAX);
	int r = s->encoding == SCHEME_HEX ? hex_decode(&stored, s->payload)
					  : base64_decode(&stored, s->payload);
	if (r == 0 && stored.n < s->digest_bytes)
		r = ERR_INVALID;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bug_if(!c);
	bool ok =
		r == 0 && EVP_DigestInit_ex(c, EVP_get_digestbyname(s->digest), NULL) == 1 &&
		EVP_DigestUpdate(c, password.p, password.n) == 1 &&
		EVP_DigestUpdate(c, stored.p + s->digest_bytes, stored.n - s->digest_bytes) == 1 &&
		EVP_DigestFinal_ex(c, md, &n) == 1;
	EVP_MD_CTX_free(c);
	if (!ok)
		r = r < 0 ? r : ERR_INTERNAL;
	else
		r = n == s->digest_bytes && secret_eq(slice_of(md, n), slice_of(stored.p, n));
	explicit_bzero(md, sizeof(md));
	buf_fini(&stored);
	return r;
}

/* Dovecot's form: $1$SALT$ROUNDS$HEX, PBKDF2-HMAC-SHA1 with the salt's characters as they stand. */
static int verify_pbkdf2(struct slice stored, struct slice password)
{
	ptrdiff_t salt_end = slice_find_byte(stored, '$', 3);
	ptrdiff_t rounds_end =
		salt_end < 0 ? -1 : slice_find_byte(stored, '$', (size_t)salt_end + 1);
	uint64_t rounds = 0;
	uint8_t md[PBKDF2_BYTES];
	struct buf want = BUF_INIT(PBKDF2_BYTES);
	if (rounds_end < 0 || slice_u64(slice_sub(stored, (size_t)salt_end + 1, (size_t)rounds_end),
					10 * 1000 * 1000, &rounds) < 0)
		return ERR_INVALID;
	struct slice salt = slice_sub(stored, 3, (size_t)salt_end);
	int r = hex_decode(&want, slice_sub(stored, (size_t)rounds_end + 1, stored.n));
	if (r == 0 && want.n != PBKDF2_BYTES)
		r = ERR_INVALID;
	if (r == 0 &&
	    PKCS5_PBKDF2_HMAC((const char *)password.p, (int)password.n, salt.p, (int)salt.n,
			      (int)rounds, EVP_sha1(), PBKDF2_BYTES, md) != 1)
		r = ERR_INTERNAL;
	if (r == 0)
		r = secret_eq(slice_of(md, sizeof(md)), buf_view(&want));
	explicit_bzero(md, sizeof(md));
	buf_fini(&want);
	return r;
}

int verify_password(struct slice stored, struct slice password)
{
	struct scheme s;
	int r = scheme_parse(stored, &s);
	if (r < 0)
		return r;
	if (password.n > PASSWORD_MAX || slice_find_byte(password, 0, 0) >= 0)
		return 0;
	switch (s.kind) {
	case SCHEME_CRYPT:
		return verify_crypt(s.payload, password);
	case SCHEME_ARGON2:
		return verify_argon2(s.payload, password);
	case SCHEME_PLAIN:
		return secret_eq(s.payload, password);
	case SCHEME_DIGEST:
		return verify_digest(&s, password);
	case SCHEME_PBKDF2:
		return verify_pbkdf2(s.payload, password);
	}
	return ERR_INTERNAL;
}

int hash_password(struct slice password, const struct hash_cost *cost, struct buf *out)
{
	uint8_t salt[SALT_BYTES];
	char encoded[HASH_MAX];
	if (password.n > PASSWORD_MAX)
		return ERR_TOO_BIG;
	rng_bytes(salt, sizeof(salt));
	int r = argon2id_hash_encoded(cost->passes, cost->memory_kib, 1, password.p, password.n,
				      salt, sizeof(salt), ARGON2_BYTES, encoded, sizeof(encoded));
	if (r != ARGON2_OK)
		return r == ARGON2_MEMORY_ALLOCATION_ERROR ? ERR_UNAVAILABLE : ERR_INTERNAL;
	buf_str(out, "{ARGON2ID}");
	buf_str(out, encoded);
	return buf_ok(out) ? 0 : ERR_TOO_BIG;
}

int hash_quick(struct slice password, struct buf *out)
{
	static const char alphabet[] =
		"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint8_t random[SALT_BYTES];
	char salt[SALT_BYTES + 1] = { 0 }, setting[64], text[PASSWORD_MAX + 1];
	if (password.n > PASSWORD_MAX || slice_find_byte(password, 0, 0) >= 0)
		return ERR_INVALID;
	rng_bytes(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		salt[i] = alphabet[random[i] & 63];
	IGNORE(snprintf(setting, sizeof(setting), "$6$rounds=1000$%s$", salt) < 0, "fits");
	struct crypt_data *data = calloc(1, sizeof(*data));
	bug_if(!data);
	memcpy(text, password.p, password.n);
	text[password.n] = 0;
	const char *hash = crypt_rn(text, setting, data, (int)sizeof(*data));
	int r = hash && *hash != '*' ? 0 : ERR_INTERNAL;
	if (r == 0) {
		buf_str(out, "{SHA512-CRYPT}");
		buf_str(out, hash);
	}
	explicit_bzero(text, sizeof(text));
	explicit_bzero(data, sizeof(*data));
	free(data);
	return r < 0 ? r : buf_ok(out) ? 0 : ERR_TOO_BIG;
}

bool hash_is_current(struct slice stored, const struct hash_cost *cost)
{
	char want[128];
	IGNORE(snprintf(want, sizeof(want), "{ARGON2ID}$argon2id$v=19$m=%u,t=%u,p=1$",
			cost->memory_kib, cost->passes) < 0,
	       "fits");
	return slice_starts(stored, slice_str(want));
}
