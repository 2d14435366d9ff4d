/* SPDX-License-Identifier: Apache-2.0 */
/* ESMTP parameters of MAIL and RCPT (RFC 5321 4.1.2 esmtp-param); for command.c. */
#ifndef PROTO_SMTP_PARAMS_H
#define PROTO_SMTP_PARAMS_H

#include "proto/smtp/command.h"

/* rest: what stands behind the path. NULL where all is well, else the refusal. */
const struct smtp_status *smtp_mail_params(struct slice rest, struct arena *a, struct smtp_mail *m);
const struct smtp_status *smtp_rcpt_params(struct slice rest, struct arena *a, struct smtp_rcpt *r);

#endif
