/* SPDX-License-Identifier: Apache-2.0 */
/* What each command does: one table of name, handler and state (RFC 1939 5-7, 2449 5, 5034 4). */
#include "proto/pop3/server_priv.h"

#include "base/err.h"

static void start_login(struct pop3_server *s)
{
	pop3_enter_state(s, POP3_ST_LOGIN);
	s->ops->login(s->ctx, s->sasl);
}

static void new_sasl(struct pop3_server *s, enum sasl_mechanism mechanism)
{
	pop3_forget_login(s);
	s->sasl = calloc(1, sizeof(*s->sasl));
	bug_if(!s->sasl);
	sasl_init(s->sasl, mechanism);
}

static void sasl_took(struct pop3_server *s, int r, struct buf *challenge)
{
	if (r == 1) {
		start_login(s);
	} else if (r == 0) {
		pop3_enter_state(s, POP3_ST_SASL);
		s->ops->write(s->ctx, SLICE("+ "));
		buf_str(challenge, "\r\n");
		s->ops->write(s->ctx, buf_view(challenge));
	} else {
		pop3_forget_login(s);
		pop3_enter_state(s, POP3_ST_AUTHORIZATION);
		pop3_err(s, r == ERR_CLOSED ? "Cancelled" : "Not what this mechanism sends");
	}
}

void pop3_sasl_line(struct pop3_server *s, struct slice line)
{
	struct buf challenge = BUF_INIT(256);
	int r = sasl_step(s->sasl, line, false, &challenge);
	sasl_took(s, r, &challenge);
	buf_fini(&challenge);
}

static void do_auth(struct pop3_server *s, struct slice arg)
{
	enum sasl_mechanism mechanism;
	if (!arg.n) {	/* what clients older than CAPA ask */
		s->ops->write(s->ctx, SLICE("+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n"));
		return;
	}
	ptrdiff_t sp = slice_find_byte(arg, ' ', 0);
	struct slice initial = sp < 0 ? slice_of(NULL, 0) : slice_trim(slice_sub(arg, (size_t)sp, arg.n));
	if (sasl_mechanism(slice_sub(arg, 0, sp < 0 ? arg.n : (size_t)sp), &mechanism) < 0) {
		pop3_err(s, "This mechanism is not offered");
		return;
	}
	new_sasl(s, mechanism);
	struct buf challenge = BUF_INIT(256);
	int r = 0;
	if (initial.n)
		r = sasl_step(s->sasl, initial, true, &challenge);
	else
		sasl_begin(s->sasl, &challenge);
	sasl_took(s, r, &challenge);
	buf_fini(&challenge);
}

static void do_user(struct pop3_server *s, struct slice arg)
{
	arg = slice_trim(arg);
	if (!arg.n || arg.n > SASL_LOGIN_MAX) {
		pop3_err(s, "USER name is expected");
		return;
	}
	new_sasl(s, SASL_PLAIN);
	memcpy(s->sasl->login, arg.p, arg.n);
	s->sasl->login_n = arg.n;
	s->user_given = true;
	pop3_ok(s, "");
}

/* The rest of the line as it is: a password may have blanks (RFC 1939 7). */
static void do_pass(struct pop3_server *s, struct slice arg)
{
	if (!s->user_given || !arg.n || arg.n > SASL_PASSWORD_MAX) {
		pop3_err(s, s->user_given ? "PASS password is expected" : "USER comes first");
		return;
	}
	memcpy(s->sasl->password, arg.p, arg.n);
	s->sasl->password_n = arg.n;
	start_login(s);
}

static void do_capa(struct pop3_server *s, struct slice arg)
{
	s->ops->write(s->ctx, SLICE("+OK\r\nTOP\r\nUIDL\r\nUSER\r\nSASL PLAIN LOGIN\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
				    "PIPELINING\r\nEXPIRE NEVER\r\n.\r\n"));
}

static void do_quit(struct pop3_server *s, struct slice arg)
{
	size_t n = 0;
	uint32_t *uids = s->n_messages ? calloc(s->n_messages, sizeof(*uids)) : NULL;
	bug_if(s->n_messages && !uids);
	for (size_t i = 0; i < s->n_messages; i++)
		if (s->messages[i].deleted)
			uids[n++] = s->messages[i].uid;
	if (n) {
		pop3_enter_state(s, POP3_ST_UPDATE);
		s->ops->expunge(s->ctx, uids, n);
	} else {
		pop3_ok(s, "Bye");
		pop3_close(s);
	}
	free(uids);
}

static void do_stat(struct pop3_server *s, struct slice arg)
{
	size_t n = 0;
	uint64_t size = 0;
	char text[64];
	for (size_t i = 0; i < s->n_messages; i++) {
		n += !s->messages[i].deleted;
		size += s->messages[i].deleted ? 0 : s->messages[i].size;
	}
	snprintf(text, sizeof(text), "%zu %llu", n, (unsigned long long)size);
	pop3_ok(s, text);
}

/* A message by its number: there, and not deleted; else it was told, and NULL. */
static struct pop3_message *message_of(struct pop3_server *s, struct slice number)
{
	uint64_t n;
	if (slice_u64(number, UINT32_MAX, &n) < 0 || n == 0 || n > s->n_messages || s->messages[n - 1].deleted) {
		pop3_err(s, "No such message");
		return NULL;
	}
	return &s->messages[n - 1];
}

static void list_or_uidl(struct pop3_server *s, struct slice arg, bool uidl)
{
	char text[64];
	if (!arg.n) {
		pop3_ok(s, "");
		pop3_begin_job(s, uidl ? POP3_JOB_UIDL : POP3_JOB_LIST);
		return;
	}
	const struct pop3_message *m = message_of(s, arg);
	if (!m)
		return;
	size_t number = (size_t)(m - s->messages) + 1;
	if (uidl)
		snprintf(text, sizeof(text), "%zu %u.%u", number, s->uidvalidity, m->uid);
	else
		snprintf(text, sizeof(text), "%zu %llu", number, (unsigned long long)m->size);
	pop3_ok(s, text);
}

static void do_list(struct pop3_server *s, struct slice arg)
{
	list_or_uidl(s, slice_trim(arg), false);
}

static void do_uidl(struct pop3_server *s, struct slice arg)
{
	list_or_uidl(s, slice_trim(arg), true);
}

static void fetch(struct pop3_server *s, const struct pop3_message *m, uint64_t top_lines)
{
	s->top_lines = top_lines;
	pop3_enter_state(s, POP3_ST_FETCH);
	s->ops->fetch(s->ctx, m->uid, top_lines > 0);
}

static void do_retr(struct pop3_server *s, struct slice arg)
{
	const struct pop3_message *m = message_of(s, slice_trim(arg));
	if (m)
		fetch(s, m, POP3_TOP_NONE);
}

static void do_top(struct pop3_server *s, struct slice arg)
{
	uint64_t lines;
	arg = slice_trim(arg);
	ptrdiff_t sp = slice_find_byte(arg, ' ', 0);
	if (sp < 0 || slice_u64(slice_trim(slice_sub(arg, (size_t)sp, arg.n)), UINT32_MAX, &lines) < 0) {
		pop3_err(s, "TOP message lines is expected");
		return;
	}
	const struct pop3_message *m = message_of(s, slice_sub(arg, 0, (size_t)sp));
	if (m)
		fetch(s, m, lines);
}

static void do_dele(struct pop3_server *s, struct slice arg)
{
	struct pop3_message *m = message_of(s, slice_trim(arg));
	if (!m)
		return;
	m->deleted = true;
	pop3_ok(s, "Deleted at QUIT");
}

static void do_rset(struct pop3_server *s, struct slice arg)
{
	for (size_t i = 0; i < s->n_messages; i++)
		s->messages[i].deleted = false;
	pop3_ok(s, "");
}

static void do_noop(struct pop3_server *s, struct slice arg)
{
	pop3_ok(s, "");
}

#define ANY (POP3_BIT(AUTHORIZATION) | POP3_BIT(TRANSACTION))
static const struct command {
	const char *name;
	void (*run)(struct pop3_server *s, struct slice arg);
	unsigned states;
} commands[] = {
	{ "USER", do_user, POP3_BIT(AUTHORIZATION) }, { "PASS", do_pass, POP3_BIT(AUTHORIZATION) },
	{ "AUTH", do_auth, POP3_BIT(AUTHORIZATION) }, { "CAPA", do_capa, ANY }, { "QUIT", do_quit, ANY },
	{ "STAT", do_stat, POP3_BIT(TRANSACTION) }, { "LIST", do_list, POP3_BIT(TRANSACTION) },
	{ "UIDL", do_uidl, POP3_BIT(TRANSACTION) }, { "RETR", do_retr, POP3_BIT(TRANSACTION) },
	{ "TOP", do_top, POP3_BIT(TRANSACTION) }, { "DELE", do_dele, POP3_BIT(TRANSACTION) },
	{ "RSET", do_rset, POP3_BIT(TRANSACTION) }, { "NOOP", do_noop, POP3_BIT(TRANSACTION) },
};

static const struct command *find(struct slice verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (slice_eq_ci(verb, slice_str(commands[i].name)))
			return &commands[i];
	return NULL;
}

void pop3_command_line(struct pop3_server *s, struct slice line)
{
	enum pop3_state before = s->state;
	ptrdiff_t sp = slice_find_byte(line, ' ', 0);
	struct slice verb = slice_sub(line, 0, sp < 0 ? line.n : (size_t)sp);
	const struct command *c = find(verb);
	if (memchr(line.p, 0, line.n) || !c)
		pop3_err(s, "Unknown command");
	else if (!(c->states & 1u << before))
		pop3_err(s, before == POP3_ST_AUTHORIZATION ? "Log in first" : "You are logged in already");
	else
		c->run(s, sp < 0 ? slice_of(NULL, 0) : slice_sub(line, (size_t)sp + 1, line.n));
	if (s->state == before)
		pop3_enter_state(s, before);
}
