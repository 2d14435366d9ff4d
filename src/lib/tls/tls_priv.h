/* SPDX-License-Identifier: Apache-2.0 */
/* For lib/io only: the OpenSSL object behind a context. */
#ifndef LIB_TLS_TLS_PRIV_H
#define LIB_TLS_TLS_PRIV_H

#include "lib/tls/tls.h"

#include <openssl/ssl.h>

SSL_CTX *tls_ssl_ctx(struct tls_ctx *ctx);
bool tls_verifies(const struct tls_ctx *ctx);

#endif
