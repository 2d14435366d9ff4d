/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy in one place: TLS 1.2 with ECDHE and AEAD or CBC-SHA2 (Outlook 2016 connects), TLS 1.3; no
 * renegotiation, no compression, no 0-RTT. Tickets are sealed with a key of this process and this
 * context only, so that a ticket of one service is never taken by another (T05).
 */
#include "lib/tls/tls_priv.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/rng.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct tls_ctx {
	SSL_CTX *ssl;
	unsigned refs;
	bool verifies;
};

static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES256:ECDHE+AES128:!aNULL:!SHA1:!PSK";

static struct tls_ctx *ctx_new(const SSL_METHOD *method)
{
	SSL_CTX *ssl = SSL_CTX_new(method);
	bug_if(!ssl);
	SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Buffers go back between records: an idle session keeps none. */
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_cipher_list(ssl, ciphers);
	struct tls_ctx *ctx = calloc(1, sizeof(*ctx));
	bug_if(!ctx);
	ctx->ssl = ssl;
	ctx->refs = 1;
	return ctx;
}

/* The chain's first certificate, the rest behind it, and the key, all out of one PEM text. */
static int use_pem(SSL_CTX *ssl, struct slice pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	bug_if(!bio);
	int err = ERR_SYNTAX;
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (cert && SSL_CTX_use_certificate(ssl, cert) == 1) {
		X509 *next;
		while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
			SSL_CTX_add0_chain_cert(ssl, next);
		ERR_clear_error(); /* "no start line": the chain is at its end */
		BIO_reset(bio);
		EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
		if (key)
			err = SSL_CTX_use_PrivateKey(ssl, key) == 1 && SSL_CTX_check_private_key(ssl) == 1 ?
				      ERR_OK :
				      ERR_INVALID;
		EVP_PKEY_free(key);
	}
	X509_free(cert);
	BIO_free(bio);
	ERR_clear_error();
	return err;
}

int tls_server_new(struct slice pem, struct tls_ctx **ret)
{
	struct tls_ctx *ctx = ctx_new(TLS_server_method());
	static const unsigned char id[] = "postern";
	SSL_CTX_set_session_id_context(ctx->ssl, id, sizeof(id) - 1);
	SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
	int err = use_pem(ctx->ssl, pem);
	if (err < 0) {
		tls_unref(&ctx);
		return err;
	}
	*ret = ctx;
	return ERR_OK;
}

static int add_cas(SSL_CTX *ssl, struct slice pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	bug_if(!bio);
	X509 *ca;
	size_t n = 0;
	while ((ca = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), ca);
		X509_free(ca);
		n++;
	}
	BIO_free(bio);
	ERR_clear_error();
	return n ? ERR_OK : ERR_SYNTAX;
}

int tls_client_new(enum tls_verify verify, struct slice extra_ca_pem, struct tls_ctx **ret)
{
	struct tls_ctx *ctx = ctx_new(TLS_client_method());
	ctx->verifies = verify == TLS_VERIFY_NAME;
	SSL_CTX_set_verify(ctx->ssl, ctx->verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (ctx->verifies)
		SSL_CTX_set_default_verify_paths(ctx->ssl);
	int err = extra_ca_pem.n ? add_cas(ctx->ssl, extra_ca_pem) : ERR_OK;
	if (err < 0) {
		tls_unref(&ctx);
		return err;
	}
	*ret = ctx;
	return ERR_OK;
}

struct tls_ctx *tls_ref(struct tls_ctx *ctx)
{
	ctx->refs++;
	return ctx;
}

void tls_unref(struct tls_ctx **cp)
{
	if (!*cp)
		return;
	struct tls_ctx *ctx = TAKE(*cp);
	if (--ctx->refs)
		return;
	SSL_CTX_free(ctx->ssl);
	free(ctx);
}

SSL_CTX *tls_ssl_ctx(struct tls_ctx *ctx)
{
	return ctx->ssl;
}

bool tls_verifies(const struct tls_ctx *ctx)
{
	return ctx->verifies;
}

static int add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX v3;
	X509V3_set_ctx_nodb(&v3);
	X509V3_set_ctx(&v3, cert, cert, NULL, NULL, 0);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
	if (!ext)
		return ERR_INVALID;
	int ok = X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return ok ? ERR_OK : ERR_INTERNAL;
}

static int fill_certificate(X509 *cert, EVP_PKEY *key, const char *name, unsigned days)
{
	char names[600];
	uint64_t serial = rng_u64() >> 1;
	X509_set_version(cert, 2);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_time_adj_ex(X509_getm_notAfter(cert), (int)days, 0, NULL);
	X509_set_pubkey(cert, key);
	X509_NAME *subject = X509_get_subject_name(cert);
	/* commonName holds 64 bytes at most (X.520); the names that count are the alternative ones. */
	if (strlen(name) <= 64)
		X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, subject);
	if ((size_t)snprintf(names, sizeof(names), "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", name) >= sizeof(names))
		return ERR_TOO_BIG;
	int err = add_extension(cert, NID_subject_alt_name, names);
	if (err == 0)
		err = add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	if (err == 0 && !X509_sign(cert, key, EVP_sha256()))
		err = ERR_INTERNAL;
	return err;
}

int tls_self_signed(const char *name, unsigned days, struct buf *out)
{
	/* The name goes into OpenSSL's little language of extensions: only host names may pass. */
	for (const char *p = name; *p; p++)
		if (!ascii_is_alpha((uint8_t)*p) && !ascii_is_digit((uint8_t)*p) && *p != '-' && *p != '.')
			return ERR_INVALID;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	bug_if(!key || !cert || !bio);
	int err = *name ? fill_certificate(cert, key, name, days) : ERR_INVALID;
	if (err == 0 && (!PEM_write_bio_X509(bio, cert) ||
			 !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)))
		err = ERR_INTERNAL;
	if (err == 0) {
		char *p;
		long n = BIO_get_mem_data(bio, &p);
		buf_append(out, p, (size_t)n);
		err = buf_ok(out) ? ERR_OK : ERR_TOO_BIG;
	}
	BIO_free(bio);
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return err;
}
