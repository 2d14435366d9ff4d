/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A digest as IMAP shows it: ENVELOPE, BODY, BODYSTRUCTURE (RFC 3501 7.4.2, RFC 9051 7.5.2).
 * Whatever bytes a message brought, what comes out is one well-formed value: a quoted string where
 * it can carry the bytes, a literal else; NUL, CR and LF never come through.
 */
#ifndef PROTO_IMAP_RENDER_H
#define PROTO_IMAP_RENDER_H

#include "base/buf.h"
#include "ipc/digest.pb-c.h"

/* "(date subject from sender ...)". utf8: the client enabled UTF8=ACCEPT: valid UTF-8 may stand in
 * quoted strings (RFC 6855 3); else 8-bit bytes go out as literals. */
void imap_render_envelope(struct buf *out, const Postern__DigestEnvelope *envelope, bool utf8);

/* extended: BODYSTRUCTURE, else BODY. */
void imap_render_bodystructure(struct buf *out, const Postern__Digest *digest, bool extended);

/* nstring and string for anything else that answers carry: quoted where it can be, literal else
 * (binary safe but for NUL, which becomes '?'). */
void imap_render_string(struct buf *out, struct slice s, bool utf8);
void imap_render_nstring(struct buf *out, bool present, struct slice s, bool utf8);

/* astring: an atom where it is one, else as imap_render_string. For mailbox names. */
void imap_render_astring(struct buf *out, struct slice s, bool utf8);

#endif
