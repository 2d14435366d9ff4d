/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM (NIST SP 800-38D) with random nonces; one key seals far fewer than 2^32 texts. */
#include "room/directory/login/seal.h"

#include "base/err.h"
#include "base/rng.h"

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { KEY_BYTES = 32, NONCE_BYTES = 12, TAG_BYTES = 16, PLAIN_MAX = 4096 };

struct seal {
	uint8_t key[KEY_BYTES];
};

static int read_key(const char *path, struct seal *s)
{
	uint8_t more;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	bool whole = read(fd, s->key, KEY_BYTES) == KEY_BYTES && read(fd, &more, 1) == 0;
	close(fd);
	return whole ? 0 : ERR_CORRUPT;
}

static int sync_folder(const char *path)
{
	char folder[4096];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 1;
	if (n >= sizeof(folder))
		return ERR_TOO_BIG;
	memcpy(folder, slash ? path : ".", n);
	folder[n] = 0;
	int fd = open(n ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* Written aside, synced, renamed: there is never half a key. */
static int make_key(const char *path, struct seal *s)
{
	char aside[4096];
	int n = snprintf(aside, sizeof(aside), "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof(aside))
		return ERR_TOO_BIG;
	rng_bytes(s->key, KEY_BYTES);
	int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	bool ok = write(fd, s->key, KEY_BYTES) == KEY_BYTES && fsync(fd) == 0;
	int r = ok ? 0 : errno ? -errno : ERR_FULL;
	close(fd);
	if (r == 0 && rename(aside, path) < 0)
		r = -errno;
	return r < 0 ? r : sync_folder(path);
}

int seal_open(const char *path, struct seal **ret)
{
	struct seal *s = calloc(1, sizeof(*s));
	bug_if(!s);
	int r = read_key(path, s);
	if (r == -ENOENT)
		r = make_key(path, s);
	if (r < 0) {
		seal_close(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void seal_close(struct seal **s)
{
	if (!*s)
		return;
	explicit_bzero(*s, sizeof(**s));
	free(*s);
	*s = NULL;
}

int seal_put(const struct seal *s, struct arena *a, struct slice label, struct slice plain,
	     struct slice *ret)
{
	if (plain.n > PLAIN_MAX)
		return ERR_TOO_BIG;
	uint8_t *out = arena_alloc(a, NONCE_BYTES + plain.n + TAG_BYTES);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;
	bug_if(!c);
	rng_bytes(out, NONCE_BYTES);
	bool ok = EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->key, out) == 1 &&
		  EVP_EncryptUpdate(c, NULL, &n, label.p, (int)label.n) == 1 &&
		  EVP_EncryptUpdate(c, out + NONCE_BYTES, &n, plain.p, (int)plain.n) == 1 &&
		  EVP_EncryptFinal_ex(c, out + NONCE_BYTES + plain.n, &n) == 1 &&
		  EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES,
				      out + NONCE_BYTES + plain.n) == 1;
	EVP_CIPHER_CTX_free(c);
	if (!ok)
		return ERR_INTERNAL;
	*ret = slice_of(out, NONCE_BYTES + plain.n + TAG_BYTES);
	return 0;
}

int seal_get(const struct seal *s, struct arena *a, struct slice label, struct slice sealed,
	     struct slice *ret)
{
	if (sealed.n < NONCE_BYTES + TAG_BYTES || sealed.n > NONCE_BYTES + PLAIN_MAX + TAG_BYTES)
		return ERR_CORRUPT;
	size_t len = sealed.n - NONCE_BYTES - TAG_BYTES;
	uint8_t *out = arena_alloc(a, len + 1);
	uint8_t tag[TAG_BYTES];
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;
	bug_if(!c);
	memcpy(tag, sealed.p + NONCE_BYTES + len, TAG_BYTES);
	bool ok = EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, s->key, sealed.p) == 1 &&
		  EVP_DecryptUpdate(c, NULL, &n, label.p, (int)label.n) == 1 &&
		  EVP_DecryptUpdate(c, out, &n, sealed.p + NONCE_BYTES, (int)len) == 1 &&
		  EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
		  EVP_DecryptFinal_ex(c, out + len, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	if (!ok) {
		explicit_bzero(out, len);
		return ERR_CORRUPT;
	}
	*ret = slice_of(out, len);
	return 0;
}
