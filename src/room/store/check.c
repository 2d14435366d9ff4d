/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the index agree with itself and with the segments? Piece by piece, between the batches of a shard that serves:
 *
 *   accounts   mailboxes   messages -> refs   blobs   live
 *
 * What a rule compares it reads in one piece, so changes between two pieces make no fault: a mailbox is counted as a
 * whole, rows are looked at one by one. How many messages a blob has only all messages together tell: they are counted
 * while they change, and what does not agree is counted again, the last time in one piece. Blobs and segments that came
 * meanwhile are left to the next check.
 */
#include "room/store/engine_priv.h"

#include "base/err.h"
#include "base/text.h"

enum {
	ROWS = 2000,		/* of a piece */
	ACCOUNTS = 500,
	MAILBOXES = 100,
	PIECE_BYTES = 1 << 20,	/* of the segments */
	WINDOW = 2 << 20,	/* blobs whose messages are counted at a time */
	PASSES = 3,		/* the last one in one piece */
	SMALL_DATABASE = 16 << 20,
};

enum rule {
	MAILBOX_RULES = 6, ACCOUNT_RULES = 3,
	NO_BYTES = MAILBOX_RULES + ACCOUNT_RULES, OTHER_SIZE, REFERENCES, POOLS, RULES
};

/* ?1 < id <= ?2 */
static const struct {
	const char *what, *sql;
} rules[RULES] = {
	{ N_("mailboxes without an account"),
	  "SELECT count(*) FROM mailbox WHERE id > ?1 AND id <= ?2 AND account NOT IN (SELECT id FROM account)" },
	{ N_("messages without a mailbox"),
	  "SELECT count(*) FROM message WHERE mailbox > ?1 AND mailbox <= ?2 AND mailbox NOT IN (SELECT id FROM mailbox)" },
	{ N_("messages in a mailbox that cannot be selected"),
	  "SELECT count(*) FROM mailbox b JOIN account a ON a.id = b.account JOIN message m ON m.mailbox = b.id"
	  " WHERE b.id > ?1 AND b.id <= ?2 AND no_select AND name <> CAST('INBOX' AS BLOB)"
	  " AND substr(a.address, 1, 1) <> x'40'" },
	{ N_("uids or modseqs that were not given yet"),
	  "SELECT count(*) FROM mailbox b JOIN message m ON m.mailbox = b.id WHERE b.id > ?1 AND b.id <= ?2"
	  " AND (m.uid >= b.uidnext OR m.uid < 1 OR m.modseq > b.highestmodseq)" },
	{ N_("mailboxes with wrong counters"),
	  "SELECT count(*) FROM mailbox b LEFT JOIN (SELECT mailbox, count(*) AS n, sum(NOT flags & 1) AS u,"
	  " sum(flags & 8 != 0) AS d, sum(size) AS s FROM message WHERE mailbox > ?1 AND mailbox <= ?2 GROUP BY mailbox) m"
	  " ON m.mailbox = b.id WHERE b.id > ?1 AND b.id <= ?2 AND (b.messages != ifnull(n, 0) OR b.unseen != ifnull(u, 0)"
	  " OR b.deleted != ifnull(d, 0) OR b.size != ifnull(s, 0))" },
	{ N_("mailboxes with a wrong number of recent messages"),
	  "SELECT count(*) FROM mailbox b WHERE b.id > ?1 AND b.id <= ?2 AND (b.recent_from > b.uidnext OR b.recent !="
	  " (SELECT count(*) FROM message m WHERE m.mailbox = b.id AND m.uid >= b.recent_from))" },
	{ N_("accounts with wrong counters"),
	  "SELECT count(*) FROM account a WHERE a.id > ?1 AND a.id <= ?2 AND"
	  " ((SELECT ifnull(sum(messages), 0) FROM mailbox WHERE account = a.id) != a.used_messages"
	  " OR (SELECT ifnull(sum(size), 0) FROM mailbox WHERE account = a.id) != a.used_bytes)" },
	{ N_("accounts above a line of their quota that they do not know of"),
	  "SELECT count(*) FROM account WHERE id > ?1 AND id <= ?2 AND quota_bytes != 0 AND level <"
	  " (used_bytes * 100.0 > quota_bytes * 80.0) + (used_bytes * 100.0 > quota_bytes * 95.0)" },
	{ N_("uidvalidities that were not given yet"),
	  "SELECT count(*) FROM account a JOIN mailbox b ON b.account = a.id WHERE a.id > ?1 AND a.id <= ?2"
	  " AND b.uidvalidity >= a.next_uidvalidity" },
	[NO_BYTES] = { N_("messages without bytes"), NULL },
	[OTHER_SIZE] = { N_("messages of another size than their bytes"), NULL },
	[REFERENCES] = { N_("blobs with a wrong number of references"), NULL },
	[POOLS] = { N_("pools with wrong counters"),
	  "SELECT count(*) FROM (SELECT pool AS id FROM account WHERE pool != 0 UNION SELECT id FROM pool) i"
	  " LEFT JOIN pool p ON p.id = i.id WHERE ?1 < ?2 AND p.used IS NOT"
	  " (SELECT ifnull(sum(used_bytes), 0) FROM account a WHERE a.pool != 0 AND a.pool = i.id)" },
};

struct checker {
	struct shard *e;
	bool read_bytes;
	int (*step)(struct checker *c);
	int64_t at, uid;		/* where the next piece begins */
	void (*on_fault)(void *ctx, const char *text);
	void *ctx;
	struct check_result r;
	int64_t found[RULES];
	uint64_t done, expected;
	/* messages of the blobs from low on */
	int64_t low, end, blobs_end;
	unsigned pass;
	uint32_t *count;
	uint8_t *suspect;
	size_t n_suspects;
};

static void fault(struct checker *c, const char *what, int64_t a, int64_t b)
{
	char text[200];

	snprintf(text, sizeof(text), "%s (%lld, %lld)", what, (long long)a, (long long)b);
	c->r.faults++;
	if (c->on_fault)
		c->on_fault(c->ctx, text);
}

static int apply(struct checker *c, size_t first, size_t n, int64_t after, int64_t last)
{
	int err = 0;

	for (size_t i = first; !err && i < first + n; i++) {
		int64_t k = 0;
		err = sql_get(c->e->db, &k, rules[i].sql, "ii", after, last);
		c->found[i] += k;
	}
	return err;
}

static int go(struct checker *c, int (*step)(struct checker *c))
{
	c->step = step;
	c->at = c->uid = 0;
	return 0;
}

/* ---- segments ---- */

static int check_live(struct checker *c)
{
	struct sql_stmt *s = sql_prepare(c->e->db, "SELECT segment, sum(length) FROM blob GROUP BY segment");
	int err;

	while ((err = sql_step(s)) == 1) {
		struct segment_use *u = segment_use(c->e, (uint32_t)sql_int(s, 0));
		if (u->live != sql_int(s, 1))
			fault(c, N_("segment with a wrong count of live bytes"), u->id, u->live);
	}
	sql_done(s);
	return err ? err : 1;
}

static int check_blob(struct checker *c, struct sql_stmt *s, unsigned want)
{
	struct blob_addr addr = { (uint32_t)sql_int(s, 1), (uint64_t)sql_int(s, 2), (uint32_t)sql_int(s, 3) };
	struct blob_record r;
	struct blob_meta meta;
	int err = blob_read_record(c->e->log, &addr, want, &r, NULL);

	c->r.blobs++;
	c->r.bytes += addr.length;
	if (!err)
		err = blob_meta_decode(r.meta, &meta);
	if (!err && ((int64_t)meta.blob != sql_int(s, 0) || (int64_t)r.header_length != sql_int(s, 4) ||
		     (int64_t)r.body_length != sql_int(s, 5)))
		err = ERR_CORRUPT;
	if (err == ERR_CORRUPT)
		fault(c, N_("bytes that cannot be read"), addr.segment, (int64_t)addr.offset);
	return err == ERR_CORRUPT ? 0 : err;
}

static int check_blobs(struct checker *c)
{
	unsigned want = BLOB_WANT_META | (c->read_bytes ? BLOB_WANT_HEADER | BLOB_WANT_BODY : 0);
	struct sql_stmt *s = sql_prepare(c->e->db, "SELECT id, segment, offset, length, header_length, body_length FROM blob"
						   " WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT 200");
	uint64_t before = c->r.bytes, n = c->r.blobs;
	int err;

	sql_bind_int(s, 1, c->at);
	sql_bind_int(s, 2, c->blobs_end);
	while ((err = sql_step(s)) == 1) {
		c->at = sql_int(s, 0);
		err = check_blob(c, s, want);
		if (err || (c->read_bytes && c->r.bytes - before > PIECE_BYTES))
			break;
	}
	sql_done(s);
	c->done += c->r.blobs - n;
	if (err)
		return err;
	return c->r.blobs == n ? go(c, check_live) : 0;
}

/* ---- messages, and how many a blob has ---- */

static void count_blob(struct checker *c, int64_t blob)
{
	if (blob >= c->low && blob < c->end)
		c->count[blob - c->low]++;
}

/* 1: no more. */
static int read_messages(struct checker *c, bool rows)
{
	struct sql_stmt *s = sql_prepare(c->e->db, rows ?
		"SELECT m.mailbox, m.uid, m.blob, b.id IS NULL, m.size IS NOT b.header_length + b.body_length"
		" FROM message m LEFT JOIN blob b ON b.id = m.blob WHERE (m.mailbox, m.uid) > (?1, ?2)"
		" ORDER BY m.mailbox, m.uid LIMIT ?3" :
		"SELECT mailbox, uid, blob FROM message WHERE (mailbox, uid) > (?1, ?2) ORDER BY mailbox, uid LIMIT ?3");
	int n = 0, err;

	sql_bind_int(s, 1, c->at);
	sql_bind_int(s, 2, c->uid);
	sql_bind_int(s, 3, ROWS);
	for (; (err = sql_step(s)) == 1; n++) {
		c->at = sql_int(s, 0);
		c->uid = sql_int(s, 1);
		count_blob(c, sql_int(s, 2));
		if (!rows)
			continue;
		c->found[NO_BYTES] += sql_int(s, 3);
		c->found[OTHER_SIZE] += !sql_int(s, 3) && sql_int(s, 4);
	}
	sql_done(s);
	if (rows) {
		c->r.messages += (uint64_t)n;
		c->done += (uint64_t)n;
	}
	return err ? err : n < ROWS;
}

/* 1: no more. */
static int compare_refs(struct checker *c)
{
	struct sql_stmt *s = sql_prepare(c->e->db, "SELECT id, refs FROM blob WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3");
	int n = 0, err;

	sql_bind_int(s, 1, c->at);
	sql_bind_int(s, 2, c->end);
	sql_bind_int(s, 3, ROWS);
	for (; (err = sql_step(s)) == 1; n++) {
		c->at = sql_int(s, 0);
		size_t i = (size_t)(c->at - c->low);
		c->suspect[i] = (c->pass == 0 || c->suspect[i]) && c->count[i] != (uint64_t)sql_int(s, 1);
		c->n_suspects += c->suspect[i];
	}
	sql_done(s);
	return err ? err : n < ROWS;
}

static int check_messages(struct checker *c);

static void count_again(struct checker *c)
{
	memset(c->count, 0, (size_t)(c->end - c->low) * sizeof(*c->count));
	go(c, check_messages);
}

/* The next blobs; 1: there are none. */
static int open_window(struct checker *c)
{
	c->low = c->end;
	if (c->low >= c->blobs_end)
		return 1;
	c->end = c->blobs_end - c->low > WINDOW ? c->low + WINDOW : c->blobs_end;
	free(c->count);
	free(c->suspect);
	c->count = calloc((size_t)(c->end - c->low), sizeof(*c->count));
	c->suspect = calloc((size_t)(c->end - c->low), 1);
	bug_if(!c->count || !c->suspect);
	c->pass = 0;
	go(c, check_messages);
	return 0;
}

static int check_refs(struct checker *c)
{
	int done = compare_refs(c);

	if (done != 1)
		return done;
	if (c->n_suspects && ++c->pass < PASSES) {
		count_again(c);
		return 0;
	}
	c->found[REFERENCES] += (int64_t)c->n_suspects;
	return open_window(c) ? go(c, check_blobs) : 0;
}

/* Once more, with nobody in between. */
static int count_at_once(struct checker *c)
{
	int done;

	while ((done = read_messages(c, false)) == 0)
		;
	if (done < 0)
		return done;
	c->at = c->low - 1;
	c->n_suspects = 0;
	while ((done = compare_refs(c)) == 0)
		;
	if (done < 0)
		return done;
	c->found[REFERENCES] += (int64_t)c->n_suspects;
	return open_window(c) ? go(c, check_blobs) : 0;
}

static int check_messages(struct checker *c)
{
	if (c->pass == PASSES - 1)
		return count_at_once(c);
	int done = read_messages(c, c->pass == 0 && c->low == 1);
	if (done != 1)
		return done;
	go(c, check_refs);
	c->at = c->low - 1;
	c->n_suspects = 0;
	return 0;
}

static int first_window(struct checker *c)
{
	c->end = 1;
	c->blobs_end = c->e->next_blob > 1 ? c->e->next_blob : 2;
	return open_window(c);
}

/* ---- mailboxes and accounts ---- */

/* The end of a piece: so many rows, or mailboxes with so many messages. INT64_MAX: it is the last one. */
static int piece_end(struct checker *c, const char *sql, int most, int64_t *ret_last, uint64_t *ret_n)
{
	struct sql_stmt *s = sql_prepare(c->e->db, sql);
	int64_t weight = 0, last = INT64_MAX;
	uint64_t n = 0;
	int err;

	sql_bind_int(s, 1, c->at);
	sql_bind_int(s, 2, most);
	while ((err = sql_step(s)) == 1) {
		last = sql_int(s, 0);
		n++;
		weight += sql_int(s, 1);
		if (weight >= ROWS)
			break;
	}
	sql_done(s);
	if (err < 0)
		return err;
	*ret_last = !err && n < (uint64_t)most ? INT64_MAX : last;
	*ret_n = n;
	return 0;
}

static int check_mailboxes(struct checker *c)
{
	int64_t last;
	uint64_t n;
	int err = piece_end(c, "SELECT id, messages FROM mailbox WHERE id > ?1 ORDER BY id LIMIT ?2", MAILBOXES, &last, &n);

	if (!err)
		err = apply(c, 0, MAILBOX_RULES, c->at, last);
	if (err)
		return err;
	c->r.mailboxes += n;
	c->done += n;
	c->at = last;
	return last == INT64_MAX ? first_window(c) : 0;
}

static int check_accounts(struct checker *c)
{
	int64_t last;
	uint64_t n;
	int err = piece_end(c, "SELECT id, 0 FROM account WHERE id > ?1 ORDER BY id LIMIT ?2", ACCOUNTS, &last, &n);

	if (!err)
		err = apply(c, MAILBOX_RULES, ACCOUNT_RULES, c->at, last);
	if (!err && last == INT64_MAX)
		err = apply(c, POOLS, 1, 0, 1);
	if (err)
		return err;
	c->r.accounts += n;
	c->done += n;
	c->at = last;
	return last == INT64_MAX ? go(c, check_mailboxes) : 0;
}

/* ---- all of it ---- */

struct checker *checker_new(struct shard *e, bool read_bytes, void (*on_fault)(void *ctx, const char *text), void *ctx)
{
	struct checker *c = calloc(1, sizeof(*c));
	int64_t n = 0;

	bug_if(!c);
	c->e = e;
	c->read_bytes = read_bytes;
	c->on_fault = on_fault;
	c->ctx = ctx;
	IGNORE(sql_get(e->db, &n, "SELECT count(*) + 2 * ifnull(sum(used_messages), 0) FROM account", ""), "for people");
	c->expected = (uint64_t)n + 1;
	go(c, check_accounts);
	return c;
}

void checker_free(struct checker **c)
{
	if (!*c)
		return;
	free((*c)->count);
	free((*c)->suspect);
	free(*c);
	*c = NULL;
}

static void tell_rules(struct checker *c)
{
	for (size_t i = 0; i < RULES; i++)
		if (c->found[i])
			fault(c, rules[i].what, c->found[i], 0);
}

int checker_step(struct checker *c, struct check_result *ret)
{
	int done = c->step(c);

	if (done == ERR_CORRUPT)
		fault(c, N_("the database is damaged"), 0, 0);
	else if (done < 1)
		return done;
	tell_rules(c);
	*ret = c->r;
	return 1;
}

unsigned checker_percent(const struct checker *c)
{
	uint64_t percent = c->done * 100 / c->expected;

	return percent < 99 ? (unsigned)percent : 99;
}

int shard_check_database(struct shard *e, bool always)
{
	int64_t bytes = 0;
	int err = sql_get(e->db, &bytes, "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", "");

	return err || (!always && bytes > SMALL_DATABASE) ? err : sql_check(e->db);
}

int shard_check(struct shard *e, bool read_bytes, void (*on_fault)(void *ctx, const char *text), void *ctx,
		struct check_result *ret)
{
	struct checker *c = checker_new(e, read_bytes, on_fault, ctx);
	int done = shard_check_database(e, true);

	if (done == ERR_CORRUPT) {
		fault(c, N_("the database is damaged"), 0, 0);
		*ret = c->r;
		done = 1;
	}
	while (!done)
		done = checker_step(c, ret);
	checker_free(&c);
	return done < 0 ? done : 0;
}
