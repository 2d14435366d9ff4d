/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5230 5: the reply itself, and the key by which the queue knows that this sender had it already: the account, what
 * makes the reply what it is, the sender. The entity of :mime is taken apart: its Content fields and its body go
 * in, nothing else that it says of itself.
 */
#include "room/filter/sieve.h"

#include "base/codec.h"
#include "base/rng.h"
#include "proto/mail/address_list.h"
#include "proto/mail/compose.h"
#include "proto/mail/header.h"

#include <openssl/sha.h>

enum { REPLY_MAX = 96 * 1024, REFERENCES_MAX = 4096, ID_BYTES = 12, BODY_LINE_MAX = 990 };

static struct slice bytes_of(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static ProtobufCBinaryData data_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

/* "Joe <joe@example.test>" or nothing: the main address of the account then. */
static void take_from(struct arena *arena, const struct sieve_env *env, struct slice from, struct slice *ret_name,
		      struct slice *ret_address)
{
	struct address_list l;
	struct mail_address a;
	*ret_name = slice_of(NULL, 0);
	*ret_address = env->n_own ? env->own[0] : slice_of(NULL, 0);
	address_list_init(&l, from);
	if (address_list_next(&l, &a) == 1 && a.has_mailbox && a.has_host) {
		struct buf text = BUF_INIT(2 * MAIL_ADDRESS_PART_MAX);
		buf_slice(&text, a.mailbox);
		buf_byte(&text, '@');
		buf_slice(&text, a.host);
		*ret_address = arena_dup(arena, buf_view(&text));
		*ret_name = arena_dup(arena, a.name);
		buf_fini(&text);
	}
	address_list_fini(&l);
}

/* RFC 5322 3.6.4: theirs, then the id of what is answered. */
static struct slice references(struct arena *arena, const Postern__Digest *d, struct slice id)
{
	struct buf out = BUF_INIT(REFERENCES_MAX);
	for (size_t i = 0; i < d->n_references && out.n + d->references[i].len + id.n + 2 < REFERENCES_MAX; i++) {
		buf_slice(&out, bytes_of(d->references[i]));
		buf_byte(&out, ' ');
	}
	buf_slice(&out, id);
	struct slice s = arena_dup(arena, buf_view(&out));
	buf_fini(&out);
	return s;
}

/* One of their own between brackets, without blanks; else there is no id to refer to. */
static struct slice message_id(const Postern__Digest *d)
{
	struct slice id = d->envelope ? slice_trim(bytes_of(d->envelope->message_id)) : slice_of(NULL, 0);
	bool ok = id.n > 2 && id.n < 998 && id.p[0] == '<' && id.p[id.n - 1] == '>';
	for (size_t i = 0; ok && i < id.n; i++)
		ok = id.p[i] > ' ' && id.p[i] < 0x7f;
	return ok ? id : slice_of(NULL, 0);
}

/* ---- :mime ---- */

static bool is_content_field(struct slice name)
{
	static const char *const names[] = { "Content-Type", "Content-Transfer-Encoding", "Content-Disposition",
					     "Content-Language", "Content-Description", "Content-ID" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_eq_ci(name, slice_str(names[i])))
			return true;
	}
	return false;
}

/* CRLF line ends of at most BODY_LINE_MAX bytes, no NUL; otherwise as it is. */
static void put_body(struct buf *out, struct slice body)
{
	size_t line = 0;
	for (size_t i = 0; i < body.n; i++) {
		uint8_t c = body.p[i];
		if (c == '\r' || c == 0)
			continue;
		if (c == '\n' || line >= BODY_LINE_MAX) {
			buf_str(out, "\r\n");
			line = 0;
		}
		if (c != '\n') {
			buf_byte(out, c);
			line++;
		}
	}
	if (line)
		buf_str(out, "\r\n");
}

static void put_entity(struct arena *arena, struct buf *out, struct slice entity)
{
	struct header_scan h = header_scan_of(entity);
	struct header_field field;
	bool typed = false, encoded = false;
	while (header_next(&h, &field) == 1) {
		if (!is_content_field(field.name))
			continue;
		compose_plain(out, arena_str(arena, field.name), header_unfold(field.value, COMPOSE_VALUE_MAX, arena));
		typed |= slice_eq_ci(field.name, SLICE("Content-Type"));
		encoded |= slice_eq_ci(field.name, SLICE("Content-Transfer-Encoding"));
	}
	struct slice body = slice_sub(entity, h.at, entity.n);
	if (!typed)
		buf_str(out, "Content-Type: text/plain; charset=utf-8\r\n");
	if (!encoded && !ascii_only(body))
		buf_str(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_str(out, "\r\n");
	put_body(out, body);
}

/* ---- all of it ---- */

static void put_reply(struct arena *arena, const struct sieve_env *env, const char *host, const struct sieve_action *a,
		      struct buf *out, struct slice *ret_from)
{
	uint8_t random[ID_BYTES];
	struct buf id = BUF_INIT(4 * ID_BYTES);
	struct compose m = { .to = a->address, .subject = a->subject, .date_ms = env->now_ms, .host = host,
			     .auto_submitted = "auto-replied (vacation)", .text = a->reason };
	rng_bytes(random, sizeof(random));
	hex_encode(&id, slice_of(random, sizeof(random)));
	m.id = buf_cstr(&id);
	take_from(arena, env, a->from, &m.from_name, &m.from);
	m.in_reply_to = message_id(env->digest);
	if (m.in_reply_to.n)
		m.references = references(arena, env->digest, m.in_reply_to);
	*ret_from = m.from;
	if (a->mime) {
		compose_head(out, &m);
		put_entity(arena, out, a->reason);
	} else {
		compose_write(out, &m);
	}
	buf_fini(&id);
}

/* Each piece with its length before it, so that no two lists of pieces are the same bytes. */
static void put_piece(struct buf *out, struct slice s)
{
	buf_printf(out, "%zu:", s.n);
	buf_slice(out, s);
}

static struct slice lower(struct arena *arena, struct slice s)
{
	struct slice copy = arena_dup(arena, s);
	for (size_t i = 0; i < copy.n; i++)
		((uint8_t *)copy.p)[i] = ascii_lower(copy.p[i]);
	return copy;
}

void vacation_fill(struct arena *arena, const struct sieve_env *env, const char *host, const struct sieve_action *a,
		   Postern__SieveAction *out)
{
	struct buf message = BUF_INIT(REPLY_MAX);
	struct slice from;
	put_reply(arena, env, host, a, &message, &from);
	out->message = data_of(arena_dup(arena, buf_view(&message)));
	buf_fini(&message);

	struct buf pieces = BUF_INIT(REPLY_MAX);
	uint8_t *key = arena_alloc(arena, SHA256_DIGEST_LENGTH);
	put_piece(&pieces, env->n_own ? env->own[0] : slice_of(NULL, 0));
	put_piece(&pieces, lower(arena, a->address));
	put_piece(&pieces, a->handle);
	SHA256(pieces.p, pieces.n, key);
	buf_fini(&pieces);
	out->once_key = data_of(slice_of(key, SHA256_DIGEST_LENGTH));
	out->once_seconds = a->seconds;
	out->address = data_of(from);
}
