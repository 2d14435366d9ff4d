/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three-valued evaluation: a criterion whose content is not at hand is OPEN; AND and OR pass OPEN on only
 * where the known criteria do not decide. So most messages of most searches are decided by the view alone.
 */
#include "proto/imap/search_priv.h"

enum { DAY_MS = 86400000 };

static void resolve(struct imap_search_key *k, uint32_t n, uint32_t highest_uid)
{
	for (; k; k = k->next) {
		if (k->kind == SEARCH_SEQ)
			imap_seqset_resolve(&k->set, n);
		else if (k->kind == SEARCH_UID)
			imap_seqset_resolve(&k->set, highest_uid);
		resolve(k->child, n, highest_uid);
	}
}

void imap_search_resolve(struct imap_search *search, uint32_t n_messages, uint32_t highest_uid)
{
	resolve(search->root, n_messages, highest_uid);
}

static int64_t day_of(int64_t ms)
{
	return ms / DAY_MS - (ms % DAY_MS < 0);
}

static bool by_day(enum search_kind kind, int64_t ms, int64_t midnight)
{
	int64_t day = day_of(ms), asked = midnight / DAY_MS;

	switch (kind) {
	case SEARCH_BEFORE:
	case SEARCH_SENT_BEFORE:
		return day < asked;
	case SEARCH_ON:
	case SEARCH_SENT_ON:
		return day == asked;
	default:
		return day >= asked;
	}
}

static enum imap_search_answer answer(bool yes)
{
	return yes ? IMAP_SEARCH_YES : IMAP_SEARCH_NO;
}

static enum imap_search_answer by_content(const struct imap_search_key *k, const struct imap_search_msg *m)
{
	int64_t sent;

	switch (k->kind) {
	case SEARCH_HEADER:
		if (!m->header)
			return IMAP_SEARCH_OPEN;
		return m->header(m->ctx, k->number_of, k->field, k->text);
	case SEARCH_BODY:
	case SEARCH_TEXT:
		if (!k->text.n)
			return IMAP_SEARCH_YES;
		if (!m->text)
			return IMAP_SEARCH_OPEN;
		return m->text(m->ctx, k->number_of, k->kind == SEARCH_TEXT, k->text);
	default:
		if (!m->sent_ms)
			return IMAP_SEARCH_OPEN;
		return answer(m->sent_ms(m->ctx, &sent) && by_day(k->kind, sent, k->number));
	}
}

static enum imap_search_answer by_entry(const struct imap_search_key *k, const struct imap_search_msg *m)
{
	switch (k->kind) {
	case SEARCH_ALL:
		return IMAP_SEARCH_YES;
	case SEARCH_NEW:
		return answer((m->flags & (IMAP_RECENT | IMAP_SEEN)) == IMAP_RECENT);
	case SEARCH_FLAG:
		return answer(m->flags & (unsigned)k->number);
	case SEARCH_NO_FLAG:
		return answer(!(m->flags & (unsigned)k->number));
	case SEARCH_KEYWORD:
		return answer(m->keyword && m->keyword(m->ctx, k->text));
	case SEARCH_SEQ:
		return answer(imap_seqset_has(&k->set, m->seq));
	case SEARCH_UID:
		return answer(imap_seqset_has(&k->set, m->uid));
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		return answer(by_day(k->kind, m->date_ms, k->number));
	case SEARCH_LARGER:
		return answer(m->size > (uint64_t)k->number);
	case SEARCH_SMALLER:
		return answer(m->size < (uint64_t)k->number);
	case SEARCH_YOUNGER:
		return answer((m->now_ms - m->date_ms) / 1000 <= k->number);
	case SEARCH_OLDER:
		return answer((m->now_ms - m->date_ms) / 1000 >= k->number);
	case SEARCH_MODSEQ:
		return answer(m->modseq >= (uint64_t)k->number);
	default:
		return by_content(k, m);
	}
}

static enum imap_search_answer match(const struct imap_search_key *k, const struct imap_search_msg *m)
{
	bool all = k->kind == SEARCH_AND, open = false;

	if (k->kind == SEARCH_NOT) {
		enum imap_search_answer a = match(k->child, m);
		return a == IMAP_SEARCH_OPEN ? a : answer(a == IMAP_SEARCH_NO);
	}
	if (!all && k->kind != SEARCH_OR)
		return by_entry(k, m);
	for (const struct imap_search_key *c = k->child; c; c = c->next) {
		enum imap_search_answer a = match(c, m);
		if (a == (all ? IMAP_SEARCH_NO : IMAP_SEARCH_YES))
			return a;
		open |= a == IMAP_SEARCH_OPEN;
	}
	return open ? IMAP_SEARCH_OPEN : answer(all);
}

enum imap_search_answer imap_search_match(const struct imap_search *search, const struct imap_search_msg *m)
{
	return match(search->root, m);
}
