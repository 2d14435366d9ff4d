/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5804 2: what each command does; one table of name, handler, states and arguments. */
#include "proto/managesieve/server_priv.h"

/* ---- login ---- */

static void sasl_took(struct managesieve *s, int r)
{
	if (r == 1) {
		ms_enter_state(s, MS_LOGIN);
		s->ops->login(s->ctx, s->sasl);
		return;
	}
	if (r == 0) {	/* PLAIN has one challenge: an empty one */
		ms_enter_state(s, MS_SASL);
		s->ops->write(s->ctx, SLICE("\"\"\r\n"));
		return;
	}
	ms_forget_login(s);
	ms_enter_state(s, MS_READY);
	ms_no(s, "", r == ERR_CLOSED ? "Cancelled" : "Not what this mechanism sends");
}

static void sasl_step_with(struct managesieve *s, struct slice line, bool initial)
{
	struct buf challenge = BUF_INIT(256);
	int r = sasl_step(s->sasl, line, initial, &challenge);
	buf_fini(&challenge);
	sasl_took(s, r == 0 ? ERR_SYNTAX : r);
}

void ms_sasl_frame(struct managesieve *s, struct slice frame)
{
	struct slice line;
	if (ms_parse_string(frame, s->arena, &line) < 0)
		sasl_took(s, ERR_SYNTAX);
	else
		sasl_step_with(s, line, false);
}

static void do_authenticate(struct managesieve *s, const struct ms_command *c)
{
	enum sasl_mechanism mechanism;
	if (!s->tls) {
		ms_no(s, "ENCRYPT-NEEDED", "STARTTLS comes first");
		return;
	}
	if (sasl_mechanism(c->args[0].text, &mechanism) < 0 || mechanism != SASL_PLAIN) {
		ms_no(s, "", "This mechanism is not offered");
		return;
	}
	ms_forget_login(s);
	s->sasl = calloc(1, sizeof(*s->sasl));
	bug_if(!s->sasl);
	sasl_init(s->sasl, mechanism);
	if (c->n > 1)
		sasl_step_with(s, c->args[1].text, false);
	else
		sasl_took(s, 0);
}

static void do_starttls(struct managesieve *s, const struct ms_command *c)
{
	if (s->tls || !s->settings.has_tls) {
		ms_no(s, "", s->tls ? "TLS is on already" : "There is no certificate just now");
		return;
	}
	ms_ok(s, "Begin TLS");
	ms_enter_state(s, MS_TLS);
	s->ops->starttls(s->ctx);
}

static void do_unauthenticate(struct managesieve *s, const struct ms_command *c)
{
	s->ops->logout(s->ctx);
	buf_clear(&s->owner);
	s->language = NULL;
	ms_enter_state(s, MS_READY);
	ms_ok(s, "");
}

/* ---- any time ---- */

static void do_capability(struct managesieve *s, const struct ms_command *c)
{
	ms_capabilities(s);
	ms_ok(s, "");
}

static void do_noop(struct managesieve *s, const struct ms_command *c)
{
	if (c->n)
		ms_ok_tag(s, c->args[0].text);
	else
		ms_ok(s, "Done");
}

static void do_logout(struct managesieve *s, const struct ms_command *c)
{
	ms_ok(s, "Bye");
	ms_close(s);
}

/* ---- scripts ---- */

static void ask(struct managesieve *s, const struct managesieve_request *r)
{
	ms_enter_state(s, MS_ASKED);
	s->ops->request(s->ctx, r);
}

static void ask_name(struct managesieve *s, enum managesieve_kind kind, const struct ms_command *c)
{
	struct managesieve_request r = { .kind = kind, .name = c->args[0].text };
	if (kind == MANAGESIEVE_RENAME)
		r.new_name = c->args[1].text;
	if (kind == MANAGESIEVE_PUT)
		r.text = c->args[1].text;
	if (!r.name.n && kind != MANAGESIEVE_ACTIVATE)
		ms_no(s, "NONEXISTENT", N_("A script has a name"));
	else
		ask(s, &r);
}

static void do_listscripts(struct managesieve *s, const struct ms_command *c)
{
	ask(s, &(struct managesieve_request){ .kind = MANAGESIEVE_LIST });
}

static void do_getscript(struct managesieve *s, const struct ms_command *c)
{
	ask_name(s, MANAGESIEVE_GET, c);
}

static void do_putscript(struct managesieve *s, const struct ms_command *c)
{
	ask_name(s, MANAGESIEVE_PUT, c);
}

static void do_checkscript(struct managesieve *s, const struct ms_command *c)
{
	ask(s, &(struct managesieve_request){ .kind = MANAGESIEVE_CHECK, .text = c->args[0].text });
}

static void do_havespace(struct managesieve *s, const struct ms_command *c)
{
	struct managesieve_request r = { .kind = MANAGESIEVE_HAVESPACE, .name = c->args[0].text, .size = c->args[1].value };
	if (!r.name.n)
		ms_no(s, "NONEXISTENT", N_("A script has a name"));
	else if (r.size > MANAGESIEVE_LITERAL_MAX)
		ms_no(s, "QUOTA/MAXSIZE", N_("A script has 64 KiB at most"));
	else
		ask(s, &r);
}

static void do_setactive(struct managesieve *s, const struct ms_command *c)
{
	ask_name(s, MANAGESIEVE_ACTIVATE, c);
}

static void do_deletescript(struct managesieve *s, const struct ms_command *c)
{
	ask_name(s, MANAGESIEVE_DELETE, c);
}

static void do_renamescript(struct managesieve *s, const struct ms_command *c)
{
	ask_name(s, MANAGESIEVE_RENAME, c);
}

/* ---- the table ---- */

#define NOBODY (MS_BIT(CLEAR) | MS_BIT(READY))
#define ANY (NOBODY | MS_BIT(USER))

/* args: s a string, n a number; ? before what may be missing. */
static const struct {
	const char *name;
	void (*run)(struct managesieve *s, const struct ms_command *c);
	unsigned states;
	const char *args;
} commands[] = {
	{ "CAPABILITY", do_capability, ANY, "" },
	{ "STARTTLS", do_starttls, NOBODY, "" },
	{ "AUTHENTICATE", do_authenticate, NOBODY, "s?s" },
	{ "NOOP", do_noop, ANY, "?s" },
	{ "LOGOUT", do_logout, ANY, "" },
	{ "UNAUTHENTICATE", do_unauthenticate, MS_BIT(USER), "" },
	{ "LISTSCRIPTS", do_listscripts, MS_BIT(USER), "" },
	{ "GETSCRIPT", do_getscript, MS_BIT(USER), "s" },
	{ "PUTSCRIPT", do_putscript, MS_BIT(USER), "ss" },
	{ "CHECKSCRIPT", do_checkscript, MS_BIT(USER), "s" },
	{ "HAVESPACE", do_havespace, MS_BIT(USER), "sn" },
	{ "SETACTIVE", do_setactive, MS_BIT(USER), "s" },
	{ "DELETESCRIPT", do_deletescript, MS_BIT(USER), "s" },
	{ "RENAMESCRIPT", do_renamescript, MS_BIT(USER), "ss" },
};

static bool fits(const char *want, const struct ms_command *c)
{
	size_t n = 0;
	bool optional = false;
	for (; *want; want++) {
		if (*want == '?') {
			optional = true;
			continue;
		}
		if (n == c->n)
			return optional;
		if (c->args[n++].number != (*want == 'n'))
			return false;
	}
	return n == c->n;
}

void ms_command(struct managesieve *s, struct slice frame)
{
	struct ms_command c;
	if (ms_parse(frame, s->arena, &c) < 0) {
		ms_no(s, "", N_("This is not a command"));
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!slice_eq_ci(c.verb, slice_str(commands[i].name)))
			continue;
		if (!(commands[i].states & 1u << s->state))
			ms_no(s, "", s->state == MS_USER ? N_("You are logged in already") : "Log in first");
		else if (!fits(commands[i].args, &c))
			ms_no(s, "", N_("These are not this command's arguments"));
		else
			commands[i].run(s, &c);
		return;
	}
	ms_no(s, "", N_("Unknown command"));
}
