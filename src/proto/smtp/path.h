/* SPDX-License-Identifier: Apache-2.0 */
/* Reverse-path and forward-path (RFC 5321 4.1.2); for command.c. */
#ifndef PROTO_SMTP_PATH_H
#define PROTO_SMTP_PATH_H

#include "proto/smtp/command.h"

/* in: what follows "FROM:" or "TO:". *ret_rest: what follows the path (empty or begins with a blank).
 * rcpt: "<postmaster>" is allowed and "<>" is not. NULL where all is well, else the refusal. */
const struct smtp_status *smtp_path_parse(struct slice in, bool rcpt, struct arena *a, struct smtp_path *ret,
					  struct slice *ret_rest);

#endif
