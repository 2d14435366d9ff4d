/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the table notice: the outbox while they wait, the log of what was sent afterwards. */
#include "room/directory/notice/notice.h"

#include "base/err.h"
#include "base/rng.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/notice/language.h"

enum { OPERATION_BYTES = 16, VALUES_MAX = 64 * 1024 };

void engine_on_notice(struct engine *e, notice_hook_fn *fn, void *ctx)
{
	e->on_notice = fn;
	e->on_notice_ctx = ctx;
}

void engine_use_seal(struct engine *e, const struct seal *seal)
{
	e->seal = seal;
}

static const struct notice_var *given(const struct notice *n, const char *name)
{
	for (size_t i = 0; i < NOTICE_VARS_MAX && n->vars[i].name; i++)
		if (!strcmp(n->vars[i].name, name))
			return &n->vars[i];
	return NULL;
}

static void put_pair(struct buf *out, const char *name, struct slice value)
{
	buf_str(out, name);
	buf_byte(out, 0);
	for (size_t i = 0; i < value.n; i++)
		buf_byte(out, value.p[i] ? value.p[i] : ' ');
	buf_byte(out, 0);
}

/* All variables of the kind, in its order; those of secrets go into secrets alone. */
static void put_values(const struct notice *n, struct buf *words, struct buf *secrets)
{
	const struct notice_var_def *defs = notice_kinds[n->kind].vars;
	size_t found = 0, all = 0;
	while (all < NOTICE_VARS_MAX && n->vars[all].name)
		all++;
	for (size_t i = 0; i < NOTICE_VARS_MAX && defs[i].name; i++) {
		const struct notice_var *v = given(n, defs[i].name);
		struct slice value = v ? v->text : SLICE("");
		char number[24];
		if (defs[i].type >= NOTICE_TIME) {
			snprintf(number, sizeof(number), "%lld", (long long)(v ? v->number : 0));
			value = slice_str(number);
		}
		bool secret = defs[i].type == NOTICE_SECRET;
		put_pair(words, defs[i].name, secret ? SLICE("***") : value);
		if (secret)
			put_pair(secrets, defs[i].name, value);
		found += v != NULL;
	}
	bug_if(found != all);	/* a name that the kind does not have */
}

/* Fills in customer, domain and language from what is named. */
static int complete(struct engine *e, struct arena *a, struct notice *n)
{
	struct account account;
	struct domain domain;
	int r = 0;
	if (n->account) {
		r = account_by_id(e, a, n->account, &account);
		if (r == 0 && !n->domain)
			n->domain = account.domain;
		if (r == 0 && !n->language.n)
			n->language = account.language;
	}
	if (r == 0 && n->domain && !n->customer) {
		r = domain_by_id(e, a, n->domain, &domain);
		if (r == 0)
			n->customer = domain.customer;
	}
	return r < 0 ? r : language_of(e, a, n->language, n->customer, &n->language);
}

int notice_language_of(struct engine *e, struct arena *a, uint64_t account, struct slice *ret)
{
	struct notice n = { .account = account };
	int r = complete(e, a, &n);
	if (r == 0)
		*ret = n.language;
	return r;
}

static int insert(struct engine *e, const struct notice *n, struct slice operation, struct slice words,
		  struct slice sealed)
{
	int r = sql_run(e->db,
			"INSERT INTO notice (operation, kind, customer, domain, account, recipient, name, language, words,"
			" sealed, state, made, sent, queue_id, sender, subject, error)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, 0, 0, x'', x'', x'')",
			"btiiibbtbbi", operation, slice_str(notice_kinds[n->kind].name), (int64_t)n->customer,
			(int64_t)n->domain, (int64_t)n->account, n->to, n->to_name, n->language, words, sealed, n->now_ms);
	if (r < 0)
		return r;
	e->noticed = true;
	return 0;
}

static int add(struct engine *e, struct arena *a, const struct notice *n)
{
	uint8_t random[OPERATION_BYTES] = { 0 };
	struct slice operation = slice_of(random, sizeof(random)), sealed = SLICE("");
	struct buf words = BUF_INIT(VALUES_MAX), secrets = BUF_INIT(VALUES_MAX);
	int r = 0;
	rng_bytes(random, sizeof(random));
	put_values(n, &words, &secrets);
	if (!buf_ok(&words) || !buf_ok(&secrets))
		r = ERR_TOO_BIG;
	if (r == 0 && secrets.n)
		r = e->seal ? seal_put(e->seal, a, operation, buf_view(&secrets), &sealed) : ERR_UNAVAILABLE;
	if (r == 0)
		r = insert(e, n, operation, words.n ? buf_view(&words) : SLICE(""), sealed);
	if (secrets.p)
		explicit_bzero(secrets.p, secrets.cap);
	buf_fini(&secrets);
	buf_fini(&words);
	return r;
}

int notice_add(struct engine *e, struct arena *a, const struct notice *n)
{
	struct notice full = *n;
	struct name to;
	if (!n->to.n)
		return 0;
	if (name_parse(a, n->to, &to) < 0)
		return ERR_INVALID;
	full.to = name_text(a, to.local, to.domain);
	if (!full.to_name.p)
		full.to_name = SLICE("");
	int r = complete(e, a, &full);
	return r < 0 ? r : add(e, a, &full);
}

/* --- reading ------------------------------------------------------------------------------------------ */

#define COLUMNS \
	"SELECT id, operation, kind, customer, domain, account, recipient, name, language, words, sealed, state, made," \
	" sent, queue_id, sender, subject, error FROM notice "

static void read_row(struct arena *a, struct sql_stmt *s, struct notice_row *row)
{
	int kind = notice_kind_by_name(sql_blob(s, 2));
	*row = (struct notice_row){
		.id = (uint64_t)sql_int(s, 0),
		.operation = column_dup(a, s, 1),
		.kind = kind < 0 ? NOTICE_TEST : (enum notice_kind)kind,
		.customer = (uint64_t)sql_int(s, 3),
		.domain = (uint64_t)sql_int(s, 4),
		.account = (uint64_t)sql_int(s, 5),
		.to = column_dup(a, s, 6),
		.to_name = column_dup(a, s, 7),
		.language = column_dup(a, s, 8),
		.words = column_dup(a, s, 9),
		.sealed = column_dup(a, s, 10),
		.state = (enum notice_state)sql_int(s, 11),
		.made_ms = sql_int(s, 12),
		.sent_ms = sql_int(s, 13),
		.queue_id = (uint64_t)sql_int(s, 14),
		.from = column_dup(a, s, 15),
		.subject = column_dup(a, s, 16),
		.error = column_dup(a, s, 17),
	};
}

static int read_all(struct arena *a, struct sql_stmt *s, struct notice_row **ret, size_t *ret_n)
{
	struct notice_row *rows = NULL;
	size_t n = 0;
	int r;
	while ((r = sql_step(s)) == 1)
		read_row(a, s, ROWS_MORE(a, &rows, &n));
	sql_done(s);
	if (r < 0)
		return r;
	*ret = rows;
	*ret_n = n;
	return 0;
}

int notice_waiting(struct engine *e, struct arena *a, uint64_t after, size_t limit, struct notice_row **ret, size_t *ret_n)
{
	struct sql_stmt *s = sql_prepare(e->db, COLUMNS "WHERE state = 0 AND id > ?1 ORDER BY id LIMIT ?2");
	sql_bind_int(s, 1, (int64_t)after);
	sql_bind_int(s, 2, (int64_t)limit);
	return read_all(a, s, ret, ret_n);
}

int notice_get(struct engine *e, struct arena *a, uint64_t id, struct notice_row *ret)
{
	struct notice_row *rows;
	size_t n = 0;
	struct sql_stmt *s = sql_prepare(e->db, COLUMNS "WHERE id = ?1");
	sql_bind_int(s, 1, (int64_t)id);
	int r = read_all(a, s, &rows, &n);
	if (r == 0 && n)
		*ret = rows[0];
	return r < 0 ? r : n ? 0 : ERR_NOT_FOUND;
}

int notice_log(struct engine *e, struct arena *a, const struct notice_filter *f, struct notice_row **ret, size_t *ret_n)
{
	struct sql_stmt *s = sql_prepare(
		e->db, COLUMNS "WHERE (?1 = 0 OR customer = ?1) AND (?2 = 0 OR domain = ?2) AND (?3 = x'' OR recipient = ?3)"
			       " AND (?4 = '' OR kind = ?4) AND (?5 < 0 OR state = ?5) AND (?6 = 0 OR id < ?6)"
			       " AND " SEEN("?8", "nullif(domain, 0)", "nullif(customer, 0)") " AND (" HOLDS("?9", "recipient")
			       " OR holds(name, ?9) OR holds(subject, ?9)) ORDER BY id DESC LIMIT ?7");
	sql_bind_int(s, 1, (int64_t)f->customer);
	sql_bind_int(s, 2, (int64_t)f->domain);
	sql_bind_blob(s, 3, f->to.n ? f->to : SLICE(""));
	sql_bind_text(s, 4, f->kind < 0 ? SLICE("") : slice_str(notice_kinds[f->kind].name));
	sql_bind_int(s, 5, f->state);
	sql_bind_int(s, 6, (int64_t)f->before);
	sql_bind_int(s, 7, f->limit ? (int64_t)f->limit : -1);
	sql_bind_int(s, 8, f->viewer);
	sql_bind_blob(s, 9, f->text);
	return read_all(a, s, ret, ret_n);
}

int notice_sent(struct engine *e, uint64_t id, uint64_t queue_id, struct slice from, struct slice subject, int64_t now_ms)
{
	int r = sql_run(e->db,
			"UPDATE notice SET state = 1, sealed = x'', queue_id = ?2, sender = ?3, subject = ?4, sent = ?5"
			" WHERE id = ?1 AND state = 0",
			"iibbi", (int64_t)id, (int64_t)queue_id, from, subject, now_ms);
	return r < 0 ? r : 0;
}

int notice_failed(struct engine *e, uint64_t id, struct slice error, int64_t now_ms)
{
	int r = sql_run(e->db,
			"UPDATE notice SET state = 2, sealed = x'', error = ?2, sent = ?3 WHERE id = ?1 AND state = 0", "ibi",
			(int64_t)id, error, now_ms);
	return r < 0 ? r : 0;
}

int notice_trim(struct engine *e, int64_t before_ms, size_t limit, uint64_t *ret)
{
	int r = sql_run(e->db,
			"DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE made < ?1 AND state <> 0"
			" ORDER BY id LIMIT ?2)",
			"ii", before_ms, (int64_t)limit);
	if (r < 0)
		return r;
	*ret = (uint64_t)r;
	return 0;
}

/* Up to the next NUL; at is behind it then. */
static struct slice next_text(struct slice s, size_t *at)
{
	ptrdiff_t end = slice_find_byte(s, 0, *at);
	struct slice text = slice_sub(s, *at, end < 0 ? s.n : (size_t)end);
	*at = end < 0 ? s.n : (size_t)end + 1;
	return text;
}

struct slice notice_value(const struct notice_row *row, const char *name)
{
	for (size_t at = 0; at < row->words.n;) {
		struct slice key = next_text(row->words, &at), value = next_text(row->words, &at);
		if (slice_eq(key, slice_str(name)))
			return value;
	}
	return SLICE("");
}
