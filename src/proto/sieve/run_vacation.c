/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5230, 6131, 3834: may this message be answered, and with what? Not where a program or a list wrote it, not where
 * the account is no addressee, not to itself. How often is for whoever sends it to know.
 */
#include "proto/sieve/run_priv.h"

#include "proto/mail/address_list.h"
#include "proto/mail/header.h"

static const struct slice none = { NULL, 0 };

enum { ADDRESSES_MAX = 5000, SUBJECT_MAX = 250 };

/* Addresses of the account: those that it has, and those that the script adds. */
struct own {
	struct slice *keys;
	size_t n;
};

static struct own own_addresses(struct sieve_runner *r, const struct sieve_node *n)
{
	const struct sieve_arg *more = sieve_tag_arg(n, TAG_ADDRESSES);
	struct own own = { .n = r->env->n_own };
	own.keys = ARENA_ARRAY(r->scratch, struct slice, r->env->n_own + (more ? more->n : 0) + 1);
	for (size_t i = 0; i < r->env->n_own; i++)
		own.keys[i] = sieve_address_key(r->scratch, r->env->own[i]);
	for (size_t i = 0; more && i < more->n; i++)
		own.keys[own.n++] = sieve_address_key(r->scratch, sieve_address_spec(r->scratch, sieve_text(r, &more->strings[i])));
	return own;
}

/* joe+shop@example.test is joe@example.test. */
static struct slice without_detail(struct sieve_runner *r, struct slice key)
{
	ptrdiff_t at = slice_find_byte(key, '@', 0);
	ptrdiff_t plus = r->env->separator ? slice_find_byte(key, r->env->separator, 0) : -1;
	if (plus <= 0 || at < plus)
		return key;
	return slice_str(arena_printf(r->scratch, "%.*s%.*s", (int)plus, (const char *)key.p, (int)(key.n - (size_t)at),
				      (const char *)key.p + at));
}

static bool is_own(struct sieve_runner *r, const struct own *own, struct slice address)
{
	struct slice key = sieve_address_key(r->scratch, address), plain = without_detail(r, key);
	for (size_t i = 0; i < own->n; i++) {
		if (slice_eq(own->keys[i], key) || slice_eq(own->keys[i], plain))
			return true;
	}
	return false;
}

static struct slice joined(struct sieve_runner *r, const struct mail_address *a)
{
	struct buf out = BUF_INIT(2 * MAIL_ADDRESS_PART_MAX + 1);
	buf_slice(&out, a->mailbox);
	buf_byte(&out, '@');
	buf_slice(&out, a->host);
	struct slice s = arena_dup(r->scratch, buf_view(&out));
	buf_fini(&out);
	return s;
}

static bool names_own(struct sieve_runner *r, const struct own *own, struct slice value)
{
	struct address_list l;
	struct mail_address a;
	bool hit = false;
	unsigned n = 0;
	address_list_init(&l, header_unfold(value, 64 * 1024, r->scratch));
	while (!hit && n++ < ADDRESSES_MAX && sieve_charge(r, 64) && address_list_next(&l, &a) == 1)
		hit = a.kind == MAIL_ADDRESS && a.has_mailbox && a.has_host && is_own(r, own, joined(r, &a));
	address_list_fini(&l);
	return hit;
}

/* RFC 5230 4.5 */
static bool is_addressee(struct sieve_runner *r, const struct own *own)
{
	static const char *const fields[] = { "To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc" };
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		struct sieve_fields f = sieve_fields(r, NULL, slice_str(fields[i]));
		for (size_t k = 0; k < f.n; k++) {
			if (names_own(r, own, f.values[k]))
				return true;
		}
	}
	return false;
}

/* RFC 3834 2, RFC 5230 4.6: names of senders that are programs. */
static bool is_program(struct slice sender)
{
	static const char *const whole[] = { "mailer-daemon", "listserv", "majordomo" };
	static const char *const endings[] = { "-request", "-owner", "-relay", "-bounce", "-bounces" };
	ptrdiff_t at = slice_find_byte(sender, '@', 0);
	struct slice local = slice_sub(sender, 0, at < 0 ? sender.n : (size_t)at);
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
		if (slice_eq_ci(local, slice_str(whole[i])))
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		if (slice_ends_ci(local, slice_str(endings[i])))
			return true;
	}
	return slice_starts_ci(local, SLICE("owner-"));
}

static struct slice first_value(struct sieve_runner *r, const char *name)
{
	struct sieve_fields f = sieve_fields(r, NULL, slice_str(name));
	return f.n ? sieve_header_text(r, f.values[0]) : none;
}

static bool is_automatic(struct sieve_runner *r)
{
	static const char *const list_fields[] = { "List-Id", "List-Help", "List-Subscribe", "List-Unsubscribe",
						   "List-Post", "List-Owner", "List-Archive" };
	for (size_t i = 0; i < ARRAY_SIZE(list_fields); i++) {
		if (sieve_fields(r, NULL, slice_str(list_fields[i])).n)
			return true;
	}
	struct slice precedence = first_value(r, "Precedence"), suppress = first_value(r, "X-Auto-Response-Suppress");
	if (slice_eq_ci(precedence, SLICE("bulk")) || slice_eq_ci(precedence, SLICE("list")) ||
	    slice_eq_ci(precedence, SLICE("junk")))
		return true;
	if (suppress.n && !slice_eq_ci(suppress, SLICE("None")))
		return true;
	struct slice automatic = first_value(r, "Auto-Submitted");
	ptrdiff_t end = slice_find_byte(automatic, ';', 0);
	automatic = slice_trim(slice_sub(automatic, 0, end < 0 ? automatic.n : (size_t)end));
	return automatic.n && !slice_eq_ci(automatic, SLICE("no"));
}

bool sieve_is_automatic(struct sieve_runner *r)
{
	return is_program(r->env->sender) || is_automatic(r);
}

static bool may_answer(struct sieve_runner *r, const struct own *own)
{
	struct slice sender = r->env->sender;
	return sender.n && !r->env->junk && !is_own(r, own, sender) && !sieve_is_automatic(r) && is_addressee(r, own);
}

/* ---- the reply ---- */

static struct slice text_arg(struct sieve_runner *r, const struct sieve_node *n, enum sieve_tag t)
{
	const struct sieve_arg *a = sieve_tag_arg(n, t);
	return a ? sieve_text(r, &a->strings[0]) : none;
}

/* On one line, without controls, whole characters. */
static struct slice subject_of(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice given = text_arg(r, n, TAG_SUBJECT), theirs = none;
	if (!sieve_tag(n, TAG_SUBJECT)) {
		theirs = first_value(r, "Subject");
		given = theirs.n ? SLICE("Auto: ") : SLICE("Automated reply");
	}
	struct slice s = slice_str(arena_printf(r->arena, SLICE_FMT SLICE_FMT, SLICE_ARG(given), SLICE_ARG(theirs)));
	if (s.n > SUBJECT_MAX) {
		s.n = SUBJECT_MAX;
		while (s.n && (s.p[s.n] & 0xc0) == 0x80)
			s.n--;
	}
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			((uint8_t *)s.p)[i] = ' ';
	}
	return slice_trim(s);
}

/* Only as an address that the account has: a reply is not a way to write in another's name, and :addresses are
 * what the script says. */
static struct slice from_of(struct sieve_runner *r, const struct sieve_node *n, const struct own *own)
{
	struct slice from = text_arg(r, n, TAG_FROM);
	struct own had = { own->keys, r->env->n_own };
	return from.n && names_own(r, &had, from) ? arena_dup(r->arena, from) : none;
}

static uint32_t seconds_of(const struct sieve_node *n)
{
	const struct sieve_arg *days = sieve_tag_arg(n, TAG_DAYS), *seconds = sieve_tag_arg(n, TAG_SECONDS);
	uint64_t s = SIEVE_VACATION_DEFAULT;
	if (days)
		s = days->n > SIEVE_VACATION_MAX / 86400 ? SIEVE_VACATION_MAX : days->n ? days->n * 86400 : 86400;
	else if (seconds)
		s = seconds->n;
	if (s < SIEVE_VACATION_MIN)
		s = SIEVE_VACATION_MIN;
	return (uint32_t)(s < SIEVE_VACATION_MAX ? s : SIEVE_VACATION_MAX);
}

/* RFC 5230 4.7: :handle, or everything that makes the reply what it is. */
static struct slice handle_of(struct sieve_runner *r, const struct sieve_node *n, const struct sieve_action *a)
{
	struct buf out = BUF_INIT(2 * SIEVE_SCRIPT_MAX);
	if (sieve_tag(n, TAG_HANDLE)) {
		buf_byte(&out, 'h');
		buf_slice(&out, text_arg(r, n, TAG_HANDLE));
	} else {
		buf_byte(&out, sieve_tag(n, TAG_MIME) ? 'm' : 't');
		buf_slice(&out, text_arg(r, n, TAG_SUBJECT));
		buf_byte(&out, 0);
		buf_slice(&out, text_arg(r, n, TAG_FROM));
		buf_byte(&out, 0);
		buf_slice(&out, a->reason);
	}
	struct slice s = arena_dup(r->arena, buf_view(&out));
	buf_fini(&out);
	return s;
}

void sieve_do_vacation(struct sieve_runner *r, const struct sieve_node *n)
{
	if (r->vacation || r->rejected) {
		sieve_fail(r, n->at, r->vacation ? N_("vacation can run once only for a message")
						 : N_("a refusal cannot be joined with another action"), none);
		return;
	}
	struct own own = own_addresses(r, n);
	r->vacation = true;
	if (r->replied || !may_answer(r, &own) || r->err < 0)
		return;
	struct slice reason = sieve_text(r, &n->positional[0]->strings[0]);
	struct sieve_action *a = sieve_add_action(r, n->at, SIEVE_VACATION);
	if (!a)
		return;
	r->replied = true;
	a->reason = arena_dup(r->arena, slice_sub(reason, 0, SIEVE_REASON_MAX));
	a->address = r->env->sender;
	a->subject = subject_of(r, n);
	a->from = from_of(r, n, &own);
	a->mime = sieve_tag(n, TAG_MIME);
	a->seconds = seconds_of(n);
	a->handle = handle_of(r, n, a);
}
