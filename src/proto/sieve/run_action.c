/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5228 4, 2.10.3; RFC 3894, 5429, 5490: what becomes of the message. A mailbox gets it once, whatever the
 * script says twice, and an address too; a refusal stands alone.
 */
#include "proto/sieve/run_priv.h"

#include "proto/mail/address.h"

static const struct slice none = { NULL, 0 };

struct slice sieve_address_key(struct arena *a, struct slice address)
{
	struct addr parsed;
	if (addr_parse(address, ADDR_UTF8, &parsed) == 0 && addr_key(&parsed, &parsed) == 0)
		return arena_dup(a, addr_text(&parsed));
	struct slice s = arena_dup(a, address);
	for (size_t i = 0; i < s.n; i++)
		((uint8_t *)s.p)[i] = ascii_lower(s.p[i]);
	return s;
}

struct sieve_action *sieve_add_action(struct sieve_runner *r, struct sieve_pos at, enum sieve_kind kind)
{
	bool refusal = kind == SIEVE_REJECT || kind == SIEVE_EREJECT;
	if (r->rejected || (refusal && (r->n_actions || r->vacation))) {	/* RFC 5230 4.7: sent or not */
		sieve_fail(r, at, N_("a refusal cannot be joined with another action"), none);
		return NULL;
	}
	if (r->n_actions >= SIEVE_ACTIONS_MAX) {
		sieve_fail(r, at, N_("the script has too many actions for one message"), none);
		return NULL;
	}
	r->rejected = refusal;
	r->actions[r->n_actions] = (struct sieve_action){ .kind = kind };
	return &r->actions[r->n_actions++];
}

/* The action that is there already for this mailbox; INBOX is what keep means. */
static struct sieve_action *mailbox_action(struct sieve_runner *r, struct sieve_pos at, struct slice mailbox)
{
	bool inbox = mailbox.n == 0 || slice_eq_ci(mailbox, SLICE("INBOX"));
	for (size_t i = 0; i < r->n_actions; i++) {
		struct sieve_action *a = &r->actions[i];
		if (inbox ? a->kind == SIEVE_KEEP : a->kind == SIEVE_FILEINTO && slice_eq(a->mailbox, mailbox))
			return a;
	}
	struct sieve_action *a = sieve_add_action(r, at, inbox ? SIEVE_KEEP : SIEVE_FILEINTO);
	if (a && !inbox)
		a->mailbox = arena_dup(r->arena, mailbox);
	return a;
}

static void do_keep(struct sieve_runner *r, const struct sieve_node *n)
{
	sieve_take_flags(r, n, mailbox_action(r, n->at, none));
	r->keep = false;
}

static void do_fileinto(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice mailbox = sieve_text(r, &n->positional[0]->strings[0]);
	if (!sieve_mailbox_ok(mailbox)) {
		sieve_fail(r, n->at, N_("\"%s\" cannot be the name of a mailbox"), mailbox);
		return;
	}
	struct sieve_action *a = mailbox_action(r, n->at, mailbox);
	if (!a)
		return;
	sieve_take_flags(r, n, a);
	a->create |= sieve_tag(n, TAG_CREATE);
	if (!sieve_tag(n, TAG_COPY))
		r->keep = false;
}

static bool is_redirected_to(struct sieve_runner *r, struct slice address)
{
	struct slice key = sieve_address_key(r->scratch, address);
	for (size_t i = 0; i < r->n_actions; i++) {
		if (r->actions[i].kind == SIEVE_REDIRECT &&
		    slice_eq(sieve_address_key(r->scratch, r->actions[i].address), key))
			return true;
	}
	return false;
}

static void do_redirect(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice address = sieve_text(r, &n->positional[0]->strings[0]);
	unsigned max = r->env->max_redirects ? r->env->max_redirects : SIEVE_REDIRECTS_MAX;
	if (!sieve_address_ok(address)) {
		sieve_fail(r, n->at, N_("\"%s\" is not a mail address"), address);
		return;
	}
	address = sieve_address_spec(r->scratch, address);
	if (!is_redirected_to(r, address)) {
		if (r->redirects >= max) {
			sieve_fail(r, n->at, N_("there are too many redirects: \"%s\" is one more"), address);
			return;
		}
		struct sieve_action *a = sieve_add_action(r, n->at, SIEVE_REDIRECT);
		if (!a)
			return;
		a->address = arena_dup(r->arena, address);
		r->redirects++;
	}
	if (!sieve_tag(n, TAG_COPY))
		r->keep = false;
}

static void do_reject(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice reason = sieve_text(r, &n->positional[0]->strings[0]);
	struct sieve_action *a =
		sieve_add_action(r, n->at, n->spec->op == OP_REJECT ? SIEVE_REJECT : SIEVE_EREJECT);
	if (!a)
		return;
	a->reason = arena_dup(r->arena, slice_sub(reason, 0, SIEVE_REASON_MAX));
	a->automatic = sieve_is_automatic(r);
	r->keep = false;
}

void sieve_do_action(struct sieve_runner *r, const struct sieve_node *n)
{
	switch (n->spec->op) {
	case OP_KEEP: do_keep(r, n); break;
	case OP_FILEINTO: do_fileinto(r, n); break;
	case OP_REDIRECT: do_redirect(r, n); break;
	case OP_REJECT:
	case OP_EREJECT: do_reject(r, n); break;
	default: r->keep = false; break;	/* discard */
	}
}
