/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed meanwhile, told to the client at the end of a command or in IDLE (RFC 3501 5.2, 7.3, 7.4): first
 * EXPUNGE, with numbers that fall as they go, then EXISTS, then FLAGS and FETCH. Changes of one message that came
 * between two tellings are one line, however many there were (I16).
 */
#include "room/imapd/imapd_priv.h"

#include "proto/imap/write.h"

enum { SYNC_MAX = 4 << 20 };

void sync_put_flags(const struct view *v, const struct view_msg *m, struct buf *out)
{
	const struct view_keywords *set = view_keywords_of(v, m);

	buf_str(out, "FLAGS (");
	imap_put_flags(out, m->bits & VIEW_FLAGS);
	if (m->bits & VIEW_RECENT)
		imap_put_flag(out, SLICE("\\Recent"));
	for (uint32_t i = 0; set && i < set->n; i++) {
		if (set->index[i] < v->n_names)
			imap_put_flag(out, v->names[set->index[i]]);
	}
	buf_byte(out, ')');
}

void sync_flags(struct conn *c, struct buf *out)
{
	const struct view *v = c->view;

	for (int permanent = 0; permanent < 2; permanent++) {
		buf_str(out, permanent ? "* OK [PERMANENTFLAGS (" : "* FLAGS (");
		if (!permanent || !v->read_only) {
			imap_put_flags(out, VIEW_FLAGS);
			for (size_t i = 0; i < v->n_names; i++)
				imap_put_flag(out, v->names[i]);
			if (permanent)
				imap_put_flag(out, SLICE("\\*"));
		}
		buf_str(out, permanent ? ")] Flags that stay.\r\n" : ")\r\n");
	}
	c->view->names_grew = false;
}

static void flush(struct conn *c, struct buf *out)
{
	if (out->n >= OUT_CHUNK)
		conn_write(c, out);
}

/* Messages that are gone lose their numbers, from the lowest on: each number is as of that moment. */
static void write_expunges(struct conn *c, struct buf *out)
{
	struct view *v = c->view;
	size_t keep = 0;

	if (!v->gone)
		return;
	for (size_t i = 0; i < v->told; i++) {
		if (v->msgs[i].bits & VIEW_GONE) {
			buf_printf(out, "* %zu EXPUNGE\r\n", keep + 1);
			flush(c, out);
		} else {
			v->msgs[keep++] = v->msgs[i];
		}
	}
	memmove(v->msgs + keep, v->msgs + v->told, (v->n - v->told) * sizeof(*v->msgs));
	v->n -= v->told - keep;
	v->told = keep;
	v->gone = 0;
}

static void write_changes(struct conn *c, struct buf *out)
{
	struct view *v = c->view;

	for (size_t i = 0; v->changed && i < v->told; i++) {
		struct view_msg *m = &v->msgs[i];
		if (!(m->bits & VIEW_CHANGED))
			continue;
		m->bits &= ~(uint32_t)VIEW_CHANGED & 0xff;
		if (m->bits & VIEW_GONE)
			continue;
		buf_printf(out, "* %zu FETCH (UID %u ", i + 1, m->uid);
		sync_put_flags(v, m, out);
		if (c->condstore)
			buf_printf(out, " MODSEQ (%llu)", (unsigned long long)m->modseq);
		buf_str(out, ")\r\n");
		flush(c, out);
	}
	v->changed = false;
}

/* RFC 3501 7.3.1, 7.3.2: how many there are, and how many of them this session heard of first. */
static void write_size(struct conn *c, struct buf *out)
{
	struct view *v = c->view;
	bool more = v->n > v->told;

	v->told = v->n;
	size_t recent = view_recent(v);
	if (more)
		buf_printf(out, "* %zu EXISTS\r\n", v->told);
	if (more || recent != v->recent)
		buf_printf(out, "* %zu RECENT\r\n", recent);
	v->recent = recent;
}

void sync_write(struct conn *c, bool expunge)
{
	struct view *v = c->view;
	struct buf out = BUF_INIT(SYNC_MAX);
	size_t told = v->told;

	view_drop_untold(v);
	if (expunge)
		write_expunges(c, &out);
	if (v->n > v->told || v->told < told)
		write_size(c, &out);
	if (v->names_grew)
		sync_flags(c, &out);
	if (v->changed)
		write_changes(c, &out);
	if (out.n)
		conn_write(c, &out);
	buf_fini(&out);
}
