/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message of a session: DATA and BDAT.
 *
 * Invariants: the octets of a chunk are counted off exactly, whether the chunk is wanted or not, so that none
 * of them is ever read as a command (S10), and its reply comes behind the last of them, as who still sends does
 * not listen; a chunk that is too large to be read off is refused at once and ends the session; a
 * message with a fault is read to its end and refused once. RFC 5321 4.1.1.4; 3030 2, 4.
 */
#include "proto/smtp/server_priv.h"

#include "base/text.h"

static void keep(struct smtp_server *s, struct slice bytes)
{
	if (bytes.n && !s->body_failed && s->ops->body(s->ctx, bytes) < 0)
		s->body_failed = true;
}

static const struct smtp_status *fault(const struct smtp_server *s)
{
	static const struct smtp_status no_room = { 452, "4.3.1", N_("No room for the message now") };
	const struct smtp_status *st = smtp_data_refusal(&s->data);
	return st || !s->body_failed ? st : &no_room;
}

/* All of the message was read. */
static void whole(struct smtp_server *s, enum smtp_verb verb)
{
	const struct smtp_status *st = fault(s);
	if (!st) {
		smtp_enter_state(s, SMTP_ST_COMMIT);
		s->ops->commit(s->ctx);
		return;
	}
	smtp_end_transaction(s);
	smtp_enter_state(s, SMTP_ST_READY);
	smtp_refuse(s, verb, st);
	if (s->stopping)
		smtp_goodbye(s, s->stopping);
}

void smtp_begin_data(struct smtp_server *s)
{
	static const struct smtp_status go = { 354, NULL, "End with CRLF.CRLF" },
		early = { 554, "5.5.0", "Data before 354 (RFC 2920 3.1)" };
	if (s->more) {
		s->ops->refused(s->ctx, SMTP_VERB_DATA, &early);
		smtp_goodbye(s, &early);
		return;
	}
	const struct smtp_status *st = s->ops->body_begin(s->ctx);
	if (st) {
		smtp_refuse(s, SMTP_VERB_DATA, st);
		return;
	}
	smtp_data_init(&s->data, true, s->cfg->max_size);
	smtp_enter_state(s, SMTP_ST_DATA);
	smtp_say(s, &go);
}

size_t smtp_body_data(struct smtp_server *s, struct slice in)
{
	size_t before = in.n;
	int end = 0;
	while (in.n && !end) {
		struct slice piece;
		end = smtp_data_step(&s->data, &in, &piece);
		keep(s, piece);
	}
	s->window_octets += before - in.n;
	if (end)
		whole(s, SMTP_VERB_DATA);
	return before - in.n;
}

/* Why this chunk is not wanted; NULL: it is. */
static const struct smtp_status *chunk_unwanted(struct smtp_server *s, uint64_t size)
{
	static const struct smtp_status no_mail = { 503, "5.5.1", "MAIL and RCPT come first" },
		no_rcpt = { 554, "5.5.1", N_("No valid recipients") },
		large = { 552, "5.3.4", N_("The message is larger than this server takes") };
	if (s->state == SMTP_ST_MAIL)
		return &no_rcpt;
	if (s->state != SMTP_ST_RCPT && s->state != SMTP_ST_CHUNKS)
		return &no_mail;
	if (s->state == SMTP_ST_RCPT) {
		const struct smtp_status *st = s->ops->body_begin(s->ctx);
		if (st)
			return st;
		smtp_data_init(&s->data, false, s->cfg->max_size);
	}
	return size > s->cfg->max_size - (s->data.size < s->cfg->max_size ? s->data.size : s->cfg->max_size) ?
		       &large : NULL;
}

/* The chunk was counted off. */
static void chunk_done(struct smtp_server *s)
{
	bool transaction = s->resume == SMTP_ST_RCPT || s->resume == SMTP_ST_CHUNKS;
	const struct smtp_status *st = s->chunk_refusal ? s->chunk_refusal : transaction ? fault(s) : NULL;
	if (st) {
		if (transaction)
			smtp_end_transaction(s);
		s->chunk_refusal = NULL;
		smtp_enter_state(s, transaction ? SMTP_ST_READY : s->resume);
		smtp_refuse(s, SMTP_VERB_BDAT, st);
	} else if (s->chunk_last) {
		keep(s, smtp_data_finish(&s->data));
		whole(s, SMTP_VERB_BDAT);
	} else {
		char text[48];
		snprintf(text, sizeof(text), "%llu octets taken", (unsigned long long)s->chunk_size);
		smtp_enter_state(s, SMTP_ST_CHUNKS);
		smtp_say(s, &(struct smtp_status){ 250, "2.0.0", text });
	}
}

void smtp_begin_chunk(struct smtp_server *s, uint64_t size, bool last)
{
	s->chunk_refusal = chunk_unwanted(s, size);
	if (s->chunk_refusal && size > SMTP_CHUNK_DROP * s->cfg->max_size) {
		s->ops->refused(s->ctx, SMTP_VERB_BDAT, s->chunk_refusal);
		smtp_goodbye(s, s->chunk_refusal);
		return;
	}
	s->chunk_left = s->chunk_size = size;
	s->chunk_last = last;
	s->resume = s->state;
	smtp_enter_state(s, SMTP_ST_BDAT);
	if (size == 0)
		chunk_done(s);
}

size_t smtp_body_chunk(struct smtp_server *s, struct slice in)
{
	size_t n = in.n < s->chunk_left ? in.n : (size_t)s->chunk_left;
	struct slice rest = slice_sub(in, 0, n);
	while (rest.n && !s->chunk_refusal) {
		struct slice piece;
		if (smtp_data_step(&s->data, &rest, &piece))
			break;
		keep(s, piece);
	}
	s->window_octets += n;
	s->chunk_left -= n;
	if (s->chunk_left == 0)
		chunk_done(s);
	return n;
}
