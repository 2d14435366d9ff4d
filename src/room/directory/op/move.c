/* SPDX-License-Identifier: Apache-2.0 */
/*
 * move start: who is copied from where, checked at the old server before anything is written. Passwords come
 * from a file, from a master user, or from the plan that is there; they are kept sealed until the plan ends.
 */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "base/text.h"
#include "ipc/mover.pb-c.h"
#include "room/directory/db/name.h"
#include "room/directory/op/move.h"

enum { CHECKS_MAX = 50, CHECKS_FLYING = 4, MASTER_CHECKS = 3 };

static const char *const tls_words[] = { "tls", "starttls", "none", NULL };

struct box {
	struct account x;
	struct slice user, password;
	uint64_t source;
};

struct starting {
	struct admin *ad;
	struct domain d;
	struct plan plan;
	struct slice master_password;
	struct box *boxes;
	size_t n, next, checks;
	unsigned flying;
	int err;
	json_t *warnings;
};

/* --- who ------------------------------------------------------------------------------------------- */

static int every_mailbox(struct starting *s)
{
	struct admin *ad = s->ad;
	struct page all = { 0 };
	struct account *rows;
	size_t n = 0;
	int r = account_list(ad->e, ad->a, s->d.id, 0, &all, &rows, &n);
	if (r < 0)
		return r;
	if (!n)
		return problem_set(&ad->why, ERR_CONFLICT, "domain",
				   SLICE_FMT " has no mailboxes yet: import its accounts first",
				   SLICE_ARG(s->d.name));
	s->boxes = ARENA_ARRAY(ad->a, struct box, n);
	for (size_t i = 0; i < n; i++)
		s->boxes[i] = (struct box){ .x = rows[i], .user = rows[i].address };
	s->n = n;
	return 0;
}

static void take_login(struct starting *s, const struct import_login *row,
		       struct import_errors *errors)
{
	struct admin *ad = s->ad;
	struct slice text;
	struct name name;
	struct address x;
	struct box *box = &s->boxes[s->n];
	if (address_target(ad->a, &s->d, row->name, &text) < 0 ||
	    name_parse(ad->a, text, &name) < 0 || !slice_eq(name.domain, s->d.name)) {
		import_fault(errors, ad->a, row->line,
			     "\"" SLICE_FMT "\" is not an address of the domain",
			     SLICE_ARG(row->name));
		return;
	}
	if (address_get(ad->e, ad->a, s->d.id, name.local, &x) < 0 || x.type != ADDRESS_MAILBOX ||
	    account_by_id(ad->e, ad->a, x.account, &box->x) < 0) {
		import_fault(errors, ad->a, row->line, "there is no mailbox " SLICE_FMT,
			     SLICE_ARG(text));
		return;
	}
	for (size_t i = 0; i < s->n; i++) {
		if (s->boxes[i].x.id == box->x.id) {
			import_fault(errors, ad->a, row->line, SLICE_FMT " is in the file twice",
				     SLICE_ARG(text));
			return;
		}
	}
	box->user = row->user.n ? row->user : text;
	box->password = row->password;
	s->n++;
}

static int from_file(struct starting *s, struct import_errors *errors)
{
	struct admin *ad = s->ad;
	struct import_login *rows;
	size_t n = 0;
	int r = admin_map_file(ad, "passwords");
	if (r == 0)
		r = import_read_logins(ad->a, ad->file, &rows, &n, errors);
	if (r < 0 && !errors->total)
		return r;
	/* Behind lines that cannot be read, too: all wrong ones are told at once. */
	s->boxes = ARENA_ARRAY(ad->a, struct box, n + 1);
	for (size_t i = 0; i < n; i++)
		take_login(s, &rows[i], errors);
	if (errors->total)
		return ERR_INVALID;
	return s->n ? 0
		    : problem_set(&ad->why, ERR_INVALID, "passwords", "the file names no mailbox");
}

/* A plan that is there goes on with the passwords it has. */
static int from_plan(struct starting *s)
{
	struct admin *ad = s->ad;
	struct plan old;
	struct task *tasks;
	size_t n = 0;
	int r = plan_get(ad->e, ad->a, s->d.id, &old);
	if (r < 0 || old.ended)
		return r < 0 && r != ERR_NOT_FOUND
			       ? r
			       : problem_set(&ad->why, ERR_INVALID, "passwords",
					     "how to log in there? name a file with passwords, or "
					     "a master user");
	if (old.master_user.n) {
		s->plan.master_user = old.master_user;
		r = seal_get(ad->d->seal, ad->a, plan_label(ad->a, s->d.id), old.sealed,
			     &s->master_password);
		return r < 0 ? r : every_mailbox(s);
	}
	r = task_list(ad->e, ad->a, old.id, false, &tasks, &n);
	s->boxes = ARENA_ARRAY(ad->a, struct box, n + 1);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct box *box = &s->boxes[s->n++];
		box->user = tasks[i].user;
		r = account_by_id(ad->e, ad->a, tasks[i].account, &box->x);
		if (r == 0)
			r = seal_get(ad->d->seal, ad->a,
				     task_label(ad->a, old.id, tasks[i].account), tasks[i].sealed,
				     &box->password);
	}
	return r;
}

static int take_boxes(struct starting *s, struct import_errors *errors)
{
	struct admin *ad = s->ad;
	if (admin_has(ad, "master_user")) {
		if (!admin_has(ad, "password"))
			return problem_set(&ad->why, ERR_INVALID, "password",
					   "the master user needs its password");
		s->plan.master_user = admin_get(ad, "master_user");
		s->master_password = admin_get(ad, "password");
		return every_mailbox(s);
	}
	return ad->call->fds[0] >= 0 ? from_file(s, errors) : from_plan(s);
}

static int take_source(struct starting *s)
{
	struct admin *ad = s->ad;
	struct api_source from;
	if (api_source(admin_get(ad, "from"), ad->a, &from) < 0)
		return problem_set(&ad->why, ERR_INVALID, "from",
				   "expected imap://HOST:PORT, or imaps, pop3 or pop3s");
	s->plan.host = from.host;
	s->plan.port = from.port;
	s->plan.pop3 = from.pop3;
	s->plan.tls = admin_choice(ad, "tls", tls_words, from.tls ? 0 : 1);
	s->plan.verify = admin_flag(ad, "verify", false);
	s->plan.domain = s->d.id;
	return 0;
}

static int nothing_runs(struct starting *s)
{
	struct admin *ad = s->ad;
	struct plan old;
	struct task *tasks;
	size_t n = 0;
	int r = plan_get(ad->e, ad->a, s->d.id, &old);
	if (r < 0)
		return r == ERR_NOT_FOUND ? 0 : r;
	r = task_list(ad->e, ad->a, old.id, false, &tasks, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (tasks[i].state == TASK_RUNNING || tasks[i].state == TASK_WAITING)
			return problem_set(&ad->why, ERR_CONFLICT, "domain",
					   "a copy of this domain is under way: wait for it, or "
					   "stop it with move stop");
	return r;
}

/* --- what is written -------------------------------------------------------------------------------- */

static int seal_secret(struct starting *s, struct slice label, struct slice secret,
		       struct slice *ret)
{
	*ret = SLICE("");
	return secret.n ? seal_put(s->ad->d->seal, s->ad->a, label, secret, ret) : 0;
}

static int write_task(struct starting *s, const struct box *box)
{
	struct admin *ad = s->ad;
	struct task t = { .plan = s->plan.id, .account = box->x.id, .user = box->user };
	uint64_t id = 0;
	int r = source_id(ad->e, box->x.id, s->plan.host, s->plan.port, box->user, &t.source);
	if (r == 0)
		r = seal_secret(s, task_label(ad->a, t.plan, t.account), box->password, &t.sealed);
	return r < 0 ? r : task_put(ad->e, &t, ad->now_ms, &id);
}

static int write_all(struct starting *s)
{
	struct admin *ad = s->ad;
	int r = seal_secret(s, plan_label(ad->a, s->d.id), s->master_password, &s->plan.sealed);
	if (r == 0)
		r = plan_put(ad->e, &s->plan, ad->now_ms);
	for (size_t i = 0; r == 0 && i < s->n; i++)
		r = write_task(s, &s->boxes[i]);
	if (r == 0 && !s->d.hosted) {
		s->d.phase = PHASE_COPYING;
		r = domain_update(ad->e, &s->d);
	}
	return r;
}

static void write_plan(struct starting *s)
{
	struct admin *ad = s->ad;
	/* While the old server was asked others may have changed the domain, or been quicker. */
	int r = domain_by_id(ad->e, ad->a, s->d.id, &s->d);
	if (r == 0)
		r = nothing_runs(s);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = write_all(s);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, s->d.name);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	move_wake(ad->d);
	move_give(ad, 202, &s->d);
}

/* --- the checks ------------------------------------------------------------------------------------- */

struct check {
	struct starting *s;
	const struct box *box;
};

static void check_on(struct starting *s);

static void on_checked(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct check *c = ctx;
	struct starting *s = c->s;
	const Postern__CheckReply *reply = (const Postern__CheckReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err < 0)
		s->err = problem_set(&s->ad->why, ERR_UNAVAILABLE, "from",
				     "the old server cannot be asked just now: %s", text_in(s->ad->why.language, err_text(err)));
	else if (!reply->ok)
		s->err = problem_set(&s->ad->why, ERR_INVALID, "from",
				     SLICE_FMT ": %s; nothing was changed", SLICE_ARG(c->box->user),
				     text_in(s->ad->why.language, *reply->error ? reply->error
										 : N_("the old server refuses the login")));
	s->flying--;
	check_on(s);
}

static void send_check(struct starting *s, const struct box *box)
{
	Postern__CheckRequest req = POSTERN__CHECK_REQUEST__INIT;
	struct check *c = ARENA_NEW(s->ad->a, struct check);
	c->s = s;
	c->box = box;
	req.host = arena_str(s->ad->a, s->plan.host);
	req.port = s->plan.port;
	req.tls = s->plan.tls;
	req.verify = s->plan.verify;
	req.pop3 = s->plan.pop3;
	req.user = data_of(box->user);
	req.password = data_of(s->plan.master_user.n ? s->master_password : box->password);
	req.master_user = data_of(s->plan.master_user);
	s->flying++;
	room_call(s->ad->d->room, ROLE_MOVER, PEER_ANY, POSTERN__MOVER_OP__MOVER_CHECK, &req.base,
		  NULL, 0, MOVER_MS, on_checked, c);
}

static void check_on(struct starting *s)
{
	while (!s->err && s->next < s->checks && s->flying < CHECKS_FLYING)
		send_check(s, &s->boxes[s->next++]);
	if (s->flying)
		return;
	if (s->err)
		admin_refuse(s->ad, s->err);
	else
		write_plan(s);
}

void op_move_start(struct admin *ad)
{
	struct starting *s = ARENA_NEW(ad->a, struct starting);
	struct import_errors errors = { .language = ad->why.language };
	s->ad = ad;
	int r = admin_domain(ad, admin_get(ad, "domain"), &s->d);
	if (r == 0)
		r = nothing_runs(s);
	if (r == 0)
		r = take_source(s);
	if (r == 0)
		r = take_boxes(s, &errors);
	if (errors.total) {
		admin_refuse_lines(ad, "passwords", &errors);
		return;
	}
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	s->checks = s->plan.master_user.n ? MASTER_CHECKS : CHECKS_MAX;
	s->checks = s->n < s->checks ? s->n : s->checks;
	check_on(s);
}
