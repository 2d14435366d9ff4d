/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESMTP parameters. Each keyword stands in one table with its handler; a keyword twice is refused. What is
 * xtext is decoded and the decoded bytes are checked too, since they may hold what the line could not
 * (S15: ENVID=a+00b). RFC 5321 4.1.2, 1870 6, 6152 2, 3461 4, 4954 5, 6531 3.4, 6533 3.
 */
#include "proto/smtp/params.h"

#include "base/codec.h"
#include "base/err.h"
#include "proto/smtp/xtext.h"

struct param {
	struct slice name, value;
	bool has_value;
};

struct param_def {
	const char *name;
	const struct smtp_status *(*take)(const struct param *p, struct arena *a, void *to);
};

static const struct smtp_status bad_param = { 501, "5.5.4", "Bad syntax of a parameter" },
	bad_value = { 501, "5.5.4", "A parameter has a value that it cannot have" },
	unknown_param = { 555, "5.5.4", "A parameter is not supported" };

static bool is_keyword(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) && (s.p[i] != '-' || i == 0))
			return false;
	return s.n > 0;
}

/* The next of the list: 1 one, 0 none left, < 0. */
static int next_param(struct slice *rest, struct param *ret)
{
	while (rest->n && *rest->p == ' ')
		*rest = slice_sub(*rest, 1, rest->n);
	if (!rest->n)
		return 0;
	ptrdiff_t end = slice_find_byte(*rest, ' ', 0);
	struct slice word = slice_sub(*rest, 0, end < 0 ? rest->n : (size_t)end);
	*rest = slice_sub(*rest, word.n, rest->n);
	ptrdiff_t eq = slice_find_byte(word, '=', 0);
	ret->has_value = eq >= 0;
	ret->name = slice_sub(word, 0, eq < 0 ? word.n : (size_t)eq);
	ret->value = eq < 0 ? slice_of(NULL, 0) : slice_sub(word, (size_t)eq + 1, word.n);
	if (!is_keyword(ret->name) || (ret->has_value && !ret->value.n))
		return ERR_SYNTAX;
	return slice_find_byte(ret->value, '=', 0) < 0 ? 1 : ERR_SYNTAX;
}

static const struct smtp_status *take_all(struct slice rest, const struct param_def *defs, size_t n,
					  struct arena *a, void *to)
{
	uint32_t seen = 0;
	for (unsigned count = 0;; count++) {
		struct param p;
		int r = next_param(&rest, &p);
		if (r == 0)
			return NULL;
		if (r < 0 || count == SMTP_PARAMS_MAX)
			return &bad_param;
		size_t i = 0;
		while (i < n && !slice_eq_ci(p.name, slice_str(defs[i].name)))
			i++;
		if (i == n)
			return &unknown_param;
		const struct smtp_status *st = seen & 1u << i ? &bad_param : defs[i].take(&p, a, to);
		if (st)
			return st;
		seen |= 1u << i;
	}
}

/* xtext whose decoded form is printable; utf8: UTF-8 above ASCII may be in it. */
static bool xtext_printable(struct slice in, size_t max, bool utf8, struct buf *out)
{
	if (in.n > max * 3 || xtext_decode(out, in) < 0 || out->n > max)
		return false;
	for (size_t i = 0; i < out->n; i++)
		if (out->p[i] < ' ' || out->p[i] == 0x7f || (out->p[i] >= 0x80 && !utf8))
			return false;
	return !utf8 || utf8_valid(buf_view(out));
}

static const struct smtp_status *take_size(const struct param *p, struct arena *a, void *to)
{
	struct smtp_mail *m = to;
	m->has_size = true;
	return slice_u64(p->value, UINT64_MAX, &m->size) < 0 ? &bad_value : NULL;
}

static const struct smtp_status *take_body(const struct param *p, struct arena *a, void *to)
{
	struct smtp_mail *m = to;
	if (slice_eq_ci(p->value, SLICE("7BIT")))
		m->body = SMTP_BODY_7BIT;
	else if (slice_eq_ci(p->value, SLICE("8BITMIME")))
		m->body = SMTP_BODY_8BITMIME;
	else	/* BINARYMIME is not offered */
		return &bad_value;
	return NULL;
}

static const struct smtp_status *take_utf8(const struct param *p, struct arena *a, void *to)
{
	((struct smtp_mail *)to)->smtputf8 = true;
	return p->has_value ? &bad_value : NULL;
}

static const struct smtp_status *take_ret(const struct param *p, struct arena *a, void *to)
{
	struct smtp_mail *m = to;
	if (slice_eq_ci(p->value, SLICE("FULL")))
		m->ret = SMTP_RET_FULL;
	else if (slice_eq_ci(p->value, SLICE("HDRS")))
		m->ret = SMTP_RET_HDRS;
	else
		return &bad_value;
	return NULL;
}

static const struct smtp_status *take_envid(const struct param *p, struct arena *a, void *to)
{
	struct buf text = BUF_INIT(SMTP_ENVID_MAX);
	bool ok = p->has_value && p->value.n <= SMTP_ENVID_MAX &&
		  xtext_printable(p->value, SMTP_ENVID_MAX, false, &text);
	buf_fini(&text);
	if (ok)
		((struct smtp_mail *)to)->envid = p->value;
	return ok ? NULL : &bad_value;
}

static const struct smtp_status *take_auth(const struct param *p, struct arena *a, void *to)
{
	struct smtp_mail *m = to;
	struct buf text = BUF_INIT(SMTP_ORCPT_MAX);
	bool ok = p->has_value && xtext_printable(p->value, SMTP_ORCPT_MAX, true, &text);
	if (ok) {
		m->has_auth = true;
		m->auth = arena_dup(a, buf_view(&text));
	}
	buf_fini(&text);
	return ok ? NULL : &bad_value;
}

static unsigned notify_word(struct slice word)
{
	static const struct { const char *name; unsigned bit; } words[] = {
		{ "NEVER", SMTP_NOTIFY_NEVER }, { "SUCCESS", SMTP_NOTIFY_SUCCESS },
		{ "FAILURE", SMTP_NOTIFY_FAILURE }, { "DELAY", SMTP_NOTIFY_DELAY },
	};
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (slice_eq_ci(word, slice_str(words[i].name)))
			return words[i].bit;
	return 0;
}

/* RFC 3461 4.1: NEVER stands alone; none twice. */
static const struct smtp_status *take_notify(const struct param *p, struct arena *a, void *to)
{
	struct smtp_rcpt *r = to;
	struct slice rest = p->value;
	for (bool more = true; more;) {
		ptrdiff_t comma = slice_find_byte(rest, ',', 0);
		more = comma >= 0;
		unsigned bit = notify_word(slice_sub(rest, 0, more ? (size_t)comma : rest.n));
		if (!bit || r->notify & bit)
			return &bad_value;
		r->notify |= bit;
		rest = slice_sub(rest, (size_t)comma + 1, rest.n);
	}
	return r->notify & SMTP_NOTIFY_NEVER && r->notify != SMTP_NOTIFY_NEVER ? &bad_value : NULL;
}

/* "addr-type;xtext"; addr-type utf-8 may carry UTF-8 (RFC 6533 3). */
static const struct smtp_status *take_orcpt(const struct param *p, struct arena *a, void *to)
{
	ptrdiff_t semi = slice_find_byte(p->value, ';', 0);
	if (semi <= 0 || (size_t)semi + 1 == p->value.n || p->value.n > SMTP_ORCPT_MAX)
		return &bad_value;
	struct slice type = slice_sub(p->value, 0, (size_t)semi);
	struct slice text = slice_sub(p->value, (size_t)semi + 1, p->value.n);
	struct buf plain = BUF_INIT(SMTP_ORCPT_MAX);
	bool utf8 = slice_eq_ci(type, SLICE("utf-8"));
	bool ok = is_keyword(type) && (utf8 && !ascii_only(text) ? utf8_valid(text) :
				       xtext_printable(text, SMTP_ORCPT_MAX, utf8, &plain));
	buf_fini(&plain);
	if (ok)
		((struct smtp_rcpt *)to)->orcpt = p->value;
	return ok ? NULL : &bad_value;
}

const struct smtp_status *smtp_mail_params(struct slice rest, struct arena *a, struct smtp_mail *m)
{
	static const struct param_def defs[] = {
		{ "SIZE", take_size }, { "BODY", take_body }, { "SMTPUTF8", take_utf8 },
		{ "RET", take_ret }, { "ENVID", take_envid }, { "AUTH", take_auth },
	};
	return take_all(rest, defs, ARRAY_SIZE(defs), a, m);
}

const struct smtp_status *smtp_rcpt_params(struct slice rest, struct arena *a, struct smtp_rcpt *r)
{
	static const struct param_def defs[] = { { "NOTIFY", take_notify }, { "ORCPT", take_orcpt } };
	return take_all(rest, defs, ARRAY_SIZE(defs), a, r);
}
