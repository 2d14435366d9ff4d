/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing. Threats: open relay by clever spellings (everything is decided on the normal form, and what smells of
 * sender routing is not shown to another server), expansion bombs and circles (depth, visits, targets and bytes
 * are capped, every address is visited once), guessing (refusals of the old server are remembered).
 */
#include "room/directory/route/route.h"

#include "base/err.h"
#include "base/map.h"
#include "base/text.h"
#include "room/directory/noun/candidate.h"
#include "proto/mail/address.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/noun/list_policy.h"
#include "room/directory/noun/script.h"
#include "room/directory/route/postbox.h"
#include "room/directory/route/srs_secret.h"
#include "room/directory/route/standing.h"

struct walk {
	struct engine *e;
	struct arena *a;
	const struct route_ask *ask;
	struct route *route;
	struct map *seen; /* address -> anything: visited, or already a target */
	size_t visits, bytes;
	struct slice exact;	    /* the address at exact_depth with the case that it was written with (RFC 5321 2.4) */
	unsigned exact_depth;
	struct slice passer; /* whose rule passes the mail on */
	struct slice by, by_domain; /* the address of ours that is being expanded, and its domain */
	struct slice drop; /* by which mail came into a domain with multidrop, and the mailbox there that gets a copy for each */
	uint64_t drop_account, drop_domain;
	enum list_answer authors; /* what the first list said that would have had it, but for an author */
	bool circle; /* an address led back to one that was visited */
};

static void refuse(struct walk *w, unsigned code, const char *enhanced, const char *text)
{
	w->route->n_targets = 0;
	w->route->code = code;
	w->route->enhanced = enhanced;
	w->route->text = text;
}

static int refuse_trouble(struct walk *w)
{
	refuse(w, 451, "4.3.0", N_("The directory has a problem, try again later"));
	return ERR_INTERNAL;
}

static int refuse_unknown(struct walk *w)
{
	refuse(w, 550, "5.1.1", N_("No such user here"));
	return ERR_NOT_FOUND;
}

static int refuse_expansion(struct walk *w)
{
	refuse(w, 550, "5.4.6", N_("This address leads to too many others"));
	return ERR_TOO_BIG;
}

static int add_target(struct walk *w, const struct route_target *t)
{
	w->bytes += t->address.n + t->host.n + t->sender.n + t->delivered_to.n + t->multidrop.n + 32;
	if (w->route->n_targets >= ROUTE_TARGETS_MAX || w->bytes > ROUTE_BYTES_MAX)
		return refuse_expansion(w);
	*ROWS_MORE(w->a, &w->route->targets, &w->route->n_targets) = *t;
	return 0;
}

static int to_server(struct walk *w, const struct standing *in, struct slice address)
{
	struct route_target t = {
		.kind = ROUTE_TO_SERVER,
		.address = address,
		.host = in->domain.server_host,
		.port = in->domain.server_port,
		.tls = in->domain.server_tls,
		.delivered_to = w->by,
	};
	return add_target(w, &t);
}

/* Two aliases of one mailbox in a list give it one copy: dedup is by account; multidrop's by recipient. */
static int to_mailbox(struct walk *w, const struct standing *in, const struct address *x, struct slice address)
{
	struct postbox box;
	int r = postbox_get(w->e, x->account, &box);
	if (r < 0)
		return r == ERR_NOT_FOUND ? refuse_unknown(w) : refuse_trouble(w);
	if (box.state == ACCOUNT_MADE || box.state == ACCOUNT_CLOSING) {
		refuse(w, 451, "4.3.0", N_("The mailbox is just being changed, try again later"));
		return ERR_UNAVAILABLE;
	}
	if (box.state != ACCOUNT_LIVE)
		return refuse_unknown(w);
	struct slice drop = x->account == w->drop_account ? w->drop : (struct slice){ 0 };
	struct slice key = slice_str(
		arena_printf(w->a, "#%llu " SLICE_FMT, (unsigned long long)x->account, SLICE_ARG(drop)));
	if (map_put(w->seen, key, w))
		return 0;
	struct route_target t = {
		.kind = ROUTE_TO_MAILBOX,
		.account = x->account,
		.shard = box.shard,
		.quota = box.quota,
		.refuse = in->limits.refuse,
		.near_full = box.level == 2 || in->limits.level == 2,
		.address = address,
		.multidrop = drop,
		.rules = box.rules,
	};
	if (box.script && rules_refuse(w->e, x->account, in->domain.id, &t.alone) < 0)
		return refuse_trouble(w);
	return add_target(w, &t);
}

static int walk_name(struct walk *w, const struct name *name, unsigned depth);

/* Members that lead nowhere are left out; the expansion fails only where a limit is passed or the database does. */
static int expand(struct walk *w, const struct standing *in, const struct address *x, struct slice address,
		  unsigned depth)
{
	struct slice by = w->by, by_domain = w->by_domain;
	int r = 0;
	if (depth >= ROUTE_DEPTH_MAX)
		return refuse_expansion(w);
	w->by = address;
	w->by_domain = in->domain.name;
	for (size_t i = 0; i < x->n_targets; i++) {
		struct name name;
		if (name_parse(w->a, x->targets[i], &name) < 0)
			continue;
		r = walk_name(w, &name, depth + 1);
		if (r < 0 && r != ERR_NOT_FOUND && r != ERR_DENIED)
			return r;
	}
	w->by = by;
	w->by_domain = by_domain;
	return 0;
}

static int banished(struct walk *w, const struct standing *in, struct slice address)
{
	struct route_target t = { .kind = ROUTE_TO_NOTHING, .address = address };
	if (w->ask->retry || in->domain.banished == BANISHED_DROP)
		return add_target(w, &t);
	refuse(w, 550, "5.7.1", N_("This address takes no mail"));
	return ERR_DENIED;
}

static int refuse_writer(struct walk *w, enum list_answer answer, const char *text)
{
	refuse(w, 550, "5.7.1", answer == LIST_WANTS_LOGIN ? N_("Who writes to this list from a domain of ours has to log in") : text);
	return ERR_DENIED;
}

/* Queued mail was accepted once. */
static int to_list(struct walk *w, const struct standing *in, const struct address *x, struct slice address,
		   unsigned depth)
{
	const struct route_ask *ask = w->ask;
	struct list_policy p;
	struct list_asked q = { .domain = &in->domain, .list = x, .policy = &p, .sender = ask->sender, .authors = ask->authors,
				.n_authors = ask->n_authors, .authenticated = ask->authenticated };
	enum list_answer by_sender = LIST_REFUSES, by_authors = LIST_TAKES;
	if (ask->retry)
		return expand(w, in, x, address, depth);
	if (list_policy_get(w->e, w->a, x->id, &p) < 0 || list_policy_sender(w->e, w->a, &q, &by_sender) < 0)
		return refuse_trouble(w);
	if (by_sender != LIST_TAKES)
		return refuse_writer(w, by_sender, "This sender may not write to this list");
	w->route->authors |= p.who != LIST_ANYONE;
	if (list_policy_authors(w->e, w->a, &q, &by_authors) < 0)
		return refuse_trouble(w);
	if (w->authors == LIST_TAKES)
		w->authors = by_authors;
	return expand(w, in, x, address, depth);
}

static int to_address(struct walk *w, const struct standing *in, const struct address *x,
		      struct slice address, unsigned depth)
{
	switch (x->type) {
	case ADDRESS_MAILBOX:
		return to_mailbox(w, in, x, address);
	case ADDRESS_BANISHED:
		return banished(w, in, address);
	case ADDRESS_LIST:
		return to_list(w, in, x, address, depth);
	case ADDRESS_ALIAS:
	case ADDRESS_REDIRECT:
		return expand(w, in, x, address, depth);
	default:
		return refuse_unknown(w);
	}
}

/* The row of an address: as it stands, then without its detail. */
static int look_up(struct walk *w, const struct standing *in, struct slice local, struct address *ret)
{
	struct slice base;
	int r = address_get(w->e, w->a, in->domain.id, local, ret);
	if (r != ERR_NOT_FOUND)
		return r;
	return name_base(local, in->addressing.separator, &base) ? address_get(w->e, w->a, in->domain.id, base, ret) : r;
}

static bool is_postmaster(struct slice local)
{
	return slice_eq(local, SLICE("postmaster"));
}

/* RFC 5321 4.5.1: postmaster@ of every hosted domain is somebody. Without an address of that name: the customer's
 * contact, else the oldest mailbox of the domain. */
static int to_postmaster(struct walk *w, const struct standing *in, struct slice address,
			 unsigned depth)
{
	struct customer c;
	struct name contact;
	struct sql_stmt *s;
	struct address x = { .type = ADDRESS_MAILBOX };
	int r = customer_by_id(w->e, w->a, in->domain.customer, &c);
	if (r < 0)
		return refuse_trouble(w);
	if (c.contact.n && name_parse(w->a, c.contact, &contact) == 0 &&
	    !slice_eq(contact.domain, in->domain.name))
		return walk_name(w, &contact, depth + 1);
	s = sql_prepare(
		w->e->db,
		"SELECT id FROM account WHERE domain = ?1 AND state = 1 ORDER BY id LIMIT 1");
	sql_bind_int(s, 1, (int64_t)in->domain.id);
	r = sql_step(s);
	if (r == 1)
		x.account = (uint64_t)sql_int(s, 0);
	sql_done(s);
	if (r < 0)
		return refuse_trouble(w);
	return r == 1 ? to_mailbox(w, in, &x, address) : refuse_unknown(w);
}

static int to_area(struct walk *w, const struct standing *in, struct slice local, struct slice address)
{
	struct account area;
	const struct addressing *x = &in->addressing;
	const bool full = in->limits.refuse;
	struct route_target t = {
		.kind = ROUTE_TO_MAILBOX, .mailboxes_max = x->max, .refuse = full, .address = address
	};
	int r = candidate_route(w->e, w->a, x, local, &area, &t.mailbox);
	if (r == ERR_NOT_FOUND)
		return refuse_unknown(w);
	if (r == ERR_QUOTA) {
		refuse(w, full ? 552 : 452, full ? "5.2.2" : "4.2.2",
		       N_("There is no room for unknown addresses now"));
		return ERR_UNAVAILABLE;
	}
	if (r == ERR_UNAVAILABLE) {
		refuse(w, 451, "4.3.0", N_("The domain is just being set up, try again later"));
		return r;
	}
	if (r < 0)
		return refuse_trouble(w);
	t.account = area.id;
	t.shard = area.shard;
	t.quota = area.quota;
	return add_target(w, &t);
}

/* An address that nobody has: the domain's catch-all mailbox, or its candidates; without its detail there. */
static int to_nobody(struct walk *w, const struct standing *in, const struct name *name,
		     struct slice address, unsigned depth)
{
	const struct addressing *x = &in->addressing;
	struct slice local = name->local, base;
	struct name catch_all;
	if (x->catch_all.n && depth < ROUTE_DEPTH_MAX &&
	    name_parse(w->a, x->catch_all, &catch_all) == 0)
		return walk_name(w, &catch_all, depth + 1);
	if (name_base(local, x->separator, &base))
		local = base;
	return to_area(w, in, local, address);
}

static int in_hosted(struct walk *w, const struct standing *in, const struct name *name,
		     unsigned depth)
{
	struct slice address = name_text(w->a, name->local, in->domain.name);
	if (is_postmaster(name->local))
		return to_postmaster(w, in, address, depth);
	/* Accepted while the domain was forwarded, and only the old server knows it: there it goes. */
	if (w->ask->retry && in->domain.server_host.n)
		return to_server(w, in, address);
	return to_nobody(w, in, name, address, depth);
}

static int unanswered(struct walk *w, const struct standing *in, struct slice address)
{
	if (in->domain.when_down == DOWN_QUEUE)
		return to_server(w, in, address);
	refuse(w, 451, "4.4.1", N_("The recipient's server does not answer, try again later"));
	return ERR_UNAVAILABLE;
}

/* Only the address that was asked for is probed; a member of an expansion is taken as it stands. */
static int by_asking(struct walk *w, const struct standing *in, const struct name *name,
		     struct slice address)
{
	enum known known = recipient_known(w->e, in->domain.id, name->local, w->ask->now_ms);
	if (w->ask->probed && w->ask->answer != KNOWN_UNSURE)
		known = w->ask->answer;
	else if (w->ask->probed && known == KNOWN_UNSURE)
		return unanswered(w, in, address);
	else if (w->ask->probed && known == KNOWN_STALE)
		known = KNOWN_YES;
	if (known == KNOWN_NO)
		return refuse_unknown(w);
	if (known == KNOWN_YES)
		return to_server(w, in, address);
	struct route *route = w->route;
	route->probe = true;
	route->probe_domain = in->domain.id;
	route->probe_local = name->local;
	route->probe_address = address;
	route->probe_host = in->domain.server_host;
	route->probe_port = in->domain.server_port;
	route->probe_tls = in->domain.server_tls;
	return 0;
}

static int in_gateway(struct walk *w, const struct standing *in, const struct name *name, bool known,
		      unsigned depth)
{
	struct slice address = name_text(w->a, name->local, in->domain.name);
	if (w->ask->retry || depth > 0 || known)
		return to_server(w, in, address);
	/* Percent hacks and bang paths would have the old server relay for us, whom it trusts. */
	if (name_routes(name->local))
		return refuse_unknown(w);
	if (is_postmaster(name->local) || in->domain.recipients == RECIPIENTS_ANY)
		return to_server(w, in, address);
	return in->domain.recipients == RECIPIENTS_LIST ? to_nobody(w, in, name, address, depth)
						: by_asking(w, in, name, address);
}

/* A bounce for an address that we wrote (SRS) goes back where the mail came from; other mail does not. 1: it is none. */
static int to_srs(struct walk *w, unsigned depth)
{
	struct addr written;	/* with the case that it came in */
	struct srs_secrets secrets;
	struct slice back;
	struct name name;
	if (!w->ask->null_sender || addr_parse(w->ask->address, ADDR_UTF8, &written) < 0)
		return 1;
	int r = srs_secrets_get(w->e, &secrets);
	if (r < 0)
		return refuse_trouble(w);
	r = srs_reverse(w->a, &secrets, addr_local(&written), w->ask->now_ms, &back);
	if (r == ERR_TIMEOUT) {
		refuse(w, 550, "5.1.1", "This return path is too old");
		return ERR_NOT_FOUND;
	}
	if (r < 0 || name_parse(w->a, back, &name) < 0)
		return 1;
	w->exact = back;
	w->exact_depth = depth + 1;
	return walk_name(w, &name, depth + 1);
}

/* The mailbox behind the catch-all address, where the domain has multidrop; 0: none. */
static int find_drop(struct walk *w, const struct standing *in, uint64_t *ret)
{
	struct standing at;
	struct name name;
	struct address row;
	*ret = 0;
	if (!in->addressing.multidrop)
		return 0;
	struct slice text = in->addressing.catch_all;
	for (unsigned i = 0; i < ROUTE_DEPTH_MAX && name_parse(w->a, text, &name) == 0; i++) {
		int r = standing_get(w->e, w->a, name.domain, &at);
		if (r == 0)
			r = look_up(w, &at, name.local, &row);
		if (r < 0)
			return r == ERR_NOT_FOUND ? 0 : r;
		if (row.type != ADDRESS_ALIAS || row.n_targets != 1) {
			*ret = row.type == ADDRESS_MAILBOX ? row.account : 0;
			return 0;
		}
		text = row.targets[0];
	}
	return 0;
}

static int by_address(struct walk *w, const struct standing *in, const struct name *name, unsigned depth)
{
	struct address x;
	if (depth == 0 && srs_is(name->local)) {
		int back = to_srs(w, depth);
		if (back != 1)
			return back;
	}
	int r = look_up(w, in, name->local, &x);
	bool known = r == 0;
	if (r < 0 && r != ERR_NOT_FOUND)
		return refuse_trouble(w);
	if (!known && depth == 0 && in->domain.hosted && srs_is(name->local)) /* no catch-all's, no candidate's */
		return refuse_unknown(w);
	if (known && (in->domain.hosted || x.hosted || x.type == ADDRESS_BANISHED))
		return to_address(w, in, &x, name_text(w->a, name->local, in->domain.name), depth);
	return in->domain.hosted ? in_hosted(w, in, name, depth) : in_gateway(w, in, name, known, depth);
}

/* Mail of somebody else's domain leaves with a sender of the domain that passes it on (M19); where none can be made of it
 * the sender stays. */
static int set_sender(struct walk *w, struct route_target *t)
{
	struct name sender;
	struct domain d;
	struct srs_secrets secrets;
	t->delivered_to = w->by;
	if (!w->ask->sender.n || !w->by.n || name_parse(w->a, w->ask->sender, &sender) < 0)
		return 0;
	int r = domain_get(w->e, w->a, sender.domain, &d);
	if (r == 0 && d.hosted)
		return 0;
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	r = srs_secrets_get(w->e, &secrets);
	if (r < 0)
		return r;
	IGNORE(srs_forward(w->a, &secrets, w->ask->sender, w->by_domain, w->ask->now_ms, &t->sender), "stays empty");
	return 0;
}

/* depth 0 is what the client named: only there it matters who asks. Behind an address of ours it is our wish. */
static int to_elsewhere(struct walk *w, const struct name *name, unsigned depth)
{
	struct route_target t = { .kind = ROUTE_TO_MX };
	bool may = w->ask->authenticated || w->ask->retry || depth > 0;
	if (!may || (w->ask->local_only && depth == 0)) {
		refuse(w, 550, "5.7.1", "Relaying denied");
		return ERR_DENIED;
	}
	if (name->literal) {
		refuse(w, 550, "5.1.2", N_("Mail to address literals is not sent"));
		return ERR_DENIED;
	}
	t.address = w->exact.n && depth == w->exact_depth ? w->exact : name_text(w->a, name->local, name->domain);
	if (depth > 0 && set_sender(w, &t) < 0)
		return refuse_trouble(w);
	return add_target(w, &t);
}

static int in_domain(struct walk *w, const struct standing *in, const struct name *name, unsigned depth)
{
	struct slice drop = w->drop;
	uint64_t account = w->drop_account, domain = w->drop_domain, found;
	if (domain == in->domain.id)
		return by_address(w, in, name, depth);
	if (find_drop(w, in, &found) < 0)
		return refuse_trouble(w);
	if (found) {
		w->drop = name_text(w->a, name->local, name->domain);
		w->drop_account = found;
		w->drop_domain = in->domain.id;
	}
	int r = by_address(w, in, name, depth);
	w->drop = drop;
	w->drop_account = account;
	w->drop_domain = domain;
	return r;
}

/* By whichever of its names: an address is visited once; on the way of each recipient of a multidrop mailbox, again. */
static bool was_visited(struct walk *w, struct slice address)
{
	struct slice key = address;
	if (w->drop.n)
		key = slice_str(arena_printf(w->a, SLICE_FMT " " SLICE_FMT, SLICE_ARG(address), SLICE_ARG(w->drop)));
	return map_put(w->seen, key, w) || (w->ask->by.n && w->drop.n && slice_eq(address, w->passer));
}

static int walk_name(struct walk *w, const struct name *name, unsigned depth)
{
	struct standing in;
	if (++w->visits > ROUTE_VISITS_MAX)
		return refuse_expansion(w);
	int r = name->literal ? ERR_NOT_FOUND : standing_get(w->e, w->a, name->domain, &in);
	if (was_visited(w, name_text(w->a, name->local, r == 0 ? in.domain.name : name->domain))) {
		w->circle = true;
		return 0;
	}
	if (r == ERR_NOT_FOUND)
		return to_elsewhere(w, name, depth);
	return r < 0 ? refuse_trouble(w) : in_domain(w, &in, name, depth);
}

/* RCPT TO:<Postmaster>: of the machine's own domain, else of the oldest hosted domain. */
static int bare_postmaster(struct walk *w)
{
	struct domain d;
	struct name name = { .local = SLICE("postmaster") };
	struct slice oldest = { 0 };
	if (name_domain(w->a, w->ask->host_name, &name.domain) < 0 ||
	    domain_get(w->e, w->a, name.domain, &d) < 0) {
		struct sql_stmt *s = sql_prepare(
			w->e->db, "SELECT name FROM domain WHERE hosted = 1 ORDER BY id LIMIT 1");
		int r = sql_step(s);
		if (r == 1)
			oldest = column_dup(w->a, s, 0);
		sql_done(s);
		if (r < 0)
			return refuse_trouble(w);
		name.domain = oldest;
	}
	return name.domain.n ? walk_name(w, &name, 0) : refuse_unknown(w);
}

static int resolve(struct walk *w)
{
	struct name name;
	if (slice_eq_ci(w->ask->address, SLICE("postmaster")))
		return bare_postmaster(w);
	if (name_parse(w->a, w->ask->address, &name) < 0) {
		refuse(w, 553, "5.1.3", N_("Not a valid address"));
		return ERR_SYNTAX;
	}
	struct addr written;
	w->exact_depth = w->by.n ? 1 : 0;
	if (addr_parse(w->ask->address, ADDR_UTF8, &written) == 0)
		w->exact = arena_dup(w->a, addr_text(&written));
	return walk_name(w, &name, w->exact_depth);
}

/* As if the address that passes it on had been expanded. */
static void begin_by(struct walk *w)
{
	struct name by;
	if (name_parse(w->a, w->ask->by, &by) < 0)
		return;
	w->by = name_text(w->a, by.local, by.domain);
	w->by_domain = by.domain;
	w->passer = w->by;
	map_put(w->seen, w->by, w);
}

void route_resolve(struct engine *e, struct arena *a, const struct route_ask *ask,
		   struct route *ret)
{
	struct route route = { 0 };
	struct walk w = { .e = e, .a = a, .ask = ask, .route = &route, .seen = map_new() };
	if (ask->by.n)
		begin_by(&w);
	int r = resolve(&w);
	map_free(&w.seen);
	if (w.authors != LIST_TAKES) {
		refuse_writer(&w, w.authors, "The author of this message may not write to this list");
	} else if (r >= 0 && !route.n_targets && !route.probe) {
		if (w.circle)
			refuse(&w, 550, "5.4.6", N_("Mail for this address goes in a circle"));
		else
			refuse(&w, 550, "5.1.1", N_("Nobody is behind this address"));
	} else if (r < 0) {
		route.n_targets = 0;
	} else {
		route.code = 0;
		route.enhanced = route.text = NULL;
	}
	*ret = route;
}
