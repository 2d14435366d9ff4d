/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL contexts for streams: TLS 1.2 and 1.3 with forward secrecy, no renegotiation, no compression. */
#ifndef LIB_TLS_TLS_H
#define LIB_TLS_TLS_H

#include "base/slice.h"

struct tls_ctx;

/* PEM: certificate chain, then its key. ERR_SYNTAX, ERR_INVALID (key and certificate differ); *ret untouched then. */
NODISCARD int tls_server_new(struct slice pem, struct tls_ctx **ret);

enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_NAME };
/* extra_ca_pem may be empty; the system's store is loaded where verify asks for it (call before the sandbox). */
NODISCARD int tls_client_new(enum tls_verify verify, struct slice extra_ca_pem, struct tls_ctx **ret);

struct tls_ctx *tls_ref(struct tls_ctx *ctx);
void tls_unref(struct tls_ctx **ctx);	/* accepts NULL; leaves NULL */

/* A P-256 key and a certificate for name (and "localhost"), both PEM, key behind certificate; for init. days from now. */
struct buf;
NODISCARD int tls_self_signed(const char *name, unsigned days, struct buf *out);

#endif
