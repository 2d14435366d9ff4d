/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ManageSieve session: states, bytes, time.
 *
 *   GREETING -> CLEAR -STARTTLS-> TLS -> READY -> (SASL) -> LOGIN -> USER <-> ASKED
 *                                          ^---- TARPIT <------'       '--UNAUTHENTICATE--> READY
 *
 * Invariants: the state changes in ms_enter_state only; nothing that came in clear behind STARTTLS is looked at; whoever
 * is not logged in has little time, a small literal, and a budget of errors.
 */
#include "proto/managesieve/server_priv.h"

static const unsigned legal[MS_COUNT] = {
	[MS_GREETING] = MS_BIT(CLEAR),
	[MS_CLEAR] = MS_BIT(CLEAR) | MS_BIT(TLS),
	[MS_TLS] = MS_BIT(READY),
	[MS_READY] = MS_BIT(READY) | MS_BIT(SASL) | MS_BIT(LOGIN),
	[MS_SASL] = MS_BIT(READY) | MS_BIT(LOGIN),
	[MS_LOGIN] = MS_BIT(USER) | MS_BIT(TARPIT) | MS_BIT(READY),
	[MS_TARPIT] = MS_BIT(READY),
	[MS_USER] = MS_BIT(USER) | MS_BIT(ASKED) | MS_BIT(READY),
	[MS_ASKED] = MS_BIT(USER),
};

static bool asks(enum ms_state state)
{
	return 1u << state & (MS_BIT(LOGIN) | MS_BIT(TARPIT) | MS_BIT(ASKED));
}

static unsigned state_ms(const struct managesieve *s)
{
	if (s->state == MS_TARPIT)
		return MANAGESIEVE_TARPIT_MS;
	if (asks(s->state) || s->state == MS_CLOSING)
		return 0;
	bool short_one = s->state != MS_USER && s->settings.idle_ms > MANAGESIEVE_LOGIN_MS;
	return short_one ? MANAGESIEVE_LOGIN_MS : s->settings.idle_ms;
}

void ms_enter_state(struct managesieve *s, enum ms_state next)
{
	enum ms_state from = s->state;
	bug_if(!(legal[from] & 1u << next) && (next != MS_CLOSING || from == next));
	s->state = next;
	if (asks(from) != asks(next))
		s->ops->wait(s->ctx, asks(next));
	s->ops->timer(s->ctx, state_ms(s));
}

struct managesieve *managesieve_new(const struct managesieve_settings *settings, const struct managesieve_ops *ops,
				    void *ctx)
{
	struct managesieve *s = calloc(1, sizeof(*s));
	bug_if(!s);
	s->settings = *settings;
	s->ops = ops;
	s->ctx = ctx;
	s->arena = arena_new();
	buf_init(&s->owner, 1000);
	return s;
}

void ms_forget_login(struct managesieve *s)
{
	if (s->sasl)
		sasl_wipe(s->sasl);
	free(s->sasl);
	s->sasl = NULL;
}

void managesieve_free(struct managesieve **s)
{
	if (!*s)
		return;
	ms_forget_login(*s);
	arena_free(&(*s)->arena);
	buf_fini(&(*s)->owner);
	free(*s);
	*s = NULL;
}

void ms_close(struct managesieve *s)
{
	if (s->state == MS_CLOSING)
		return;
	if (s->owner.n)
		s->ops->logout(s->ctx);
	buf_clear(&s->owner);
	ms_enter_state(s, MS_CLOSING);
	s->ops->close(s->ctx);
}

void managesieve_start(struct managesieve *s)
{
	ms_enter_state(s, MS_CLEAR);
	ms_capabilities(s);
	ms_ok(s, "Postern is ready");
}

/* RFC 5804 2.2: capabilities again; those told in clear are forgotten. */
void managesieve_tls(struct managesieve *s)
{
	if (s->state == MS_CLOSING)
		return;
	s->tls = true;
	s->errors = 0;
	ms_enter_state(s, MS_READY);
	ms_capabilities(s);
	ms_ok(s, "TLS is on");
}

/* ---- input ---- */

static void run_frame(struct managesieve *s, struct slice frame)
{
	enum ms_state before = s->state;
	arena_reset(s->arena);
	if (s->dropping) {
		s->dropping = false;
		if (s->state == MS_SASL) {
			ms_forget_login(s);
			ms_enter_state(s, MS_READY);
		}
		ms_no(s, "QUOTA/MAXSIZE", s->state == MS_USER ? N_("A script has 64 KiB at most") : "This is too long");
	} else if (s->state == MS_SASL) {
		ms_sasl_frame(s, frame);
	} else {
		ms_command(s, frame);
	}
	if (s->state == before && s->state != MS_SASL)
		ms_enter_state(s, before);	/* the time runs anew */
}

/* How much it took; 0: more is needed. */
static size_t take_frame(struct managesieve *s, struct slice in)
{
	uint64_t literal = 0, max = s->state == MS_USER ? MANAGESIEVE_LITERAL_MAX : MANAGESIEVE_LITERAL_CLEAR_MAX;
	size_t n = 0;
	int r = ms_frame(in, s->dropping ? 0 : max, &n, &literal);
	if (r == ERR_TOO_BIG && literal <= MANAGESIEVE_SKIP_MAX) {
		s->skip = literal;
		s->dropping = true;
		return n;
	}
	if (r < 0) {
		ms_bye(s, r == ERR_TOO_BIG ? N_("This is far too long") : N_("Lines end in CRLF, and are not that long"));
		ms_close(s);
		return in.n;
	}
	if (r == 1)
		run_frame(s, slice_sub(in, 0, n));
	return r == 1 ? n : 0;
}

static size_t take_skipped(struct managesieve *s, size_t n)
{
	size_t take = s->skip < n ? (size_t)s->skip : n;
	s->skip -= take;
	return take;
}

size_t managesieve_input(struct managesieve *s, struct slice in)
{
	size_t used = 0;
	while (used < in.n && !asks(s->state)) {
		if (s->state == MS_CLOSING || s->state == MS_TLS)	/* read in clear, behind STARTTLS: dropped */
			return in.n;
		struct slice rest = slice_sub(in, used, in.n);
		size_t n = s->skip ? take_skipped(s, rest.n) : take_frame(s, rest);
		if (n == 0)
			break;
		used += n;
		if (!asks(s->state) && s->ops->congested(s->ctx))
			break;
	}
	return used;
}

/* ---- time and end ---- */

static void tell_wrong(struct managesieve *s)
{
	ms_enter_state(s, MS_READY);
	ms_no(s, "", "Wrong name or password");
	if (s->state != MS_CLOSING && s->logins_failed >= MANAGESIEVE_LOGINS_MAX)
		managesieve_goodbye(s, "Too many failed logins");
}

void managesieve_timeout(struct managesieve *s)
{
	if (s->state == MS_TARPIT)
		tell_wrong(s);
	else if (!asks(s->state))
		managesieve_goodbye(s, N_("Nothing was heard for too long"));
}

void managesieve_goodbye(struct managesieve *s, const char *text)
{
	if (s->state != MS_CLOSING && s->state != MS_TLS)
		ms_bye(s, text);
	ms_close(s);
}

/* ---- answers ---- */

void managesieve_opened(struct managesieve *s, struct slice owner, const char *language)
{
	if (s->state == MS_CLOSING) {	/* the session ended meanwhile */
		s->ops->logout(s->ctx);
		return;
	}
	bug_if(s->state != MS_LOGIN);
	ms_forget_login(s);
	buf_clear(&s->owner);
	buf_slice(&s->owner, slice_sub(owner, 0, 999));
	s->language = language;
	ms_enter_state(s, MS_USER);
	ms_ok(s, "Logged in");
}

void managesieve_refused(struct managesieve *s, bool wrong, const char *text)
{
	if (s->state == MS_CLOSING)
		return;
	bug_if(s->state != MS_LOGIN);
	ms_forget_login(s);
	if (wrong) {
		s->logins_failed++;
		ms_enter_state(s, MS_TARPIT);
		return;
	}
	ms_enter_state(s, MS_READY);
	ms_no(s, text ? "" : "TRYLATER", text ? text : "Login is not possible now");
}

void managesieve_item(struct managesieve *s, struct slice name, bool active)
{
	struct buf out = BUF_INIT(4096);
	if (s->state == MS_CLOSING)
		return;
	ms_put_string(&out, name);
	buf_str(&out, active ? " ACTIVE\r\n" : "\r\n");
	s->ops->write(s->ctx, buf_view(&out));
	buf_fini(&out);
}

void managesieve_script(struct managesieve *s, struct slice text)
{
	char head[32];
	if (s->state == MS_CLOSING)
		return;
	int n = snprintf(head, sizeof(head), "{%zu}\r\n", text.n);
	s->ops->write(s->ctx, slice_of(head, (size_t)n));
	s->ops->write(s->ctx, text);
	s->ops->write(s->ctx, SLICE("\r\n"));
}

void managesieve_answer(struct managesieve *s, bool ok, enum managesieve_code code, const char *text)
{
	static const char *const codes[] = {
		[MANAGESIEVE_NO_CODE] = "", [MANAGESIEVE_QUOTA_MAXSCRIPTS] = "QUOTA/MAXSCRIPTS",
		[MANAGESIEVE_QUOTA_MAXSIZE] = "QUOTA/MAXSIZE", [MANAGESIEVE_NONEXISTENT] = "NONEXISTENT",
		[MANAGESIEVE_ALREADYEXISTS] = "ALREADYEXISTS", [MANAGESIEVE_IS_ACTIVE] = "ACTIVE",
		[MANAGESIEVE_TRYLATER] = "TRYLATER",
	};
	if (s->state == MS_CLOSING)
		return;
	bug_if(s->state != MS_ASKED);
	ms_enter_state(s, MS_USER);
	if (ok)
		ms_ok(s, text);
	else
		ms_no(s, codes[code], text);
}

bool managesieve_busy(const struct managesieve *s)
{
	return asks(s->state);
}
