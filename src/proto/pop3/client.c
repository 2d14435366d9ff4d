/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/pop3/client.h"

#include "base/err.h"

void pop3c_init(struct pop3c *p)
{
	*p = (struct pop3c){ 0 };
}

void pop3c_expect(struct pop3c *p, enum pop3c_want want, uint64_t message_max)
{
	bug_if(p->at != POP3C_AT_STATUS);
	p->want = want;
	p->inside = false;
	p->left = message_max;
}

/* A whole line without its end: 1, 0 where it is not whole. */
static int take_line(struct slice in, size_t *used, struct slice *ret)
{
	ptrdiff_t lf = slice_find_byte(in, '\n', 0);
	if (lf < 0)
		return in.n > POP3C_LINE_MAX ? ERR_TOO_BIG : 0;
	if (lf > POP3C_LINE_MAX)
		return ERR_TOO_BIG;
	*used = (size_t)lf + 1;
	*ret = slice_sub(in, 0, (size_t)lf);
	if (ret->n && ret->p[ret->n - 1] == '\r')
		ret->n--;
	return 1;
}

static bool take_word(struct slice *line, const char *word)
{
	struct slice w = slice_str(word);
	if (!slice_starts_ci(*line, w) || (line->n > w.n && line->p[w.n] != ' '))
		return false;
	*line = slice_sub(*line, line->n > w.n ? w.n + 1 : w.n, line->n);
	return true;
}

static int take_status(struct pop3c *p, struct slice in, size_t *used, struct pop3c_event *ret)
{
	struct slice line;
	int r = take_line(in, used, &line);
	if (r <= 0)
		return r;
	if (take_word(&line, "+OK")) {
		ret->kind = POP3C_OK;
		if (p->want != POP3C_STATUS)
			p->at = p->want == POP3C_LINES ? POP3C_AT_LINES : POP3C_AT_MESSAGE;
	} else if (take_word(&line, "-ERR")) {
		ret->kind = POP3C_ERR;
	} else if (take_word(&line, "+")) {
		ret->kind = POP3C_CONTINUE;
	} else {
		return ERR_SYNTAX;
	}
	ret->text = line;
	return 1;
}

static int end(struct pop3c *p, struct pop3c_event *ret)
{
	p->at = POP3C_AT_STATUS;
	*ret = (struct pop3c_event){ POP3C_END, { 0 } };
	return 1;
}

static int take_listed(struct pop3c *p, struct slice in, size_t *used, struct pop3c_event *ret)
{
	struct slice line;
	int r = take_line(in, used, &line);
	if (r <= 0)
		return r;
	if (line.n && line.p[0] == '.') {
		if (line.n == 1)
			return end(p, ret);
		line = slice_sub(line, 1, line.n);
	}
	*ret = (struct pop3c_event){ POP3C_LINE, line };
	return 1;
}

/* 1: in begins with the line that ends the message, *ret_n octets of it. 0: more is needed. -1: it does not. */
static int at_end(struct slice in, size_t *ret_n)
{
	if (in.n < 2)
		return 0;
	size_t lf = in.p[1] == '\r' ? 2 : 1;
	if (in.n <= lf)
		return 0;
	*ret_n = lf + 1;
	return in.p[lf] == '\n' ? 1 : -1;
}

/* Up to the next line that begins with a dot, or all there is. */
static size_t plain_octets(struct slice in)
{
	for (size_t at = 0; at < in.n;) {
		ptrdiff_t lf = slice_find_byte(in, '\n', at);
		if (lf < 0)
			return in.n;
		at = (size_t)lf + 1;
		if (at < in.n && in.p[at] == '.')
			return at;
	}
	return in.n;
}

static int take_octets(struct pop3c *p, struct slice in, size_t *used, struct pop3c_event *ret)
{
	size_t skip = 0, n;
	if (in.n == 0)
		return 0;
	if (!p->inside && in.p[0] == '.') {
		int r = at_end(in, used);
		if (r == 0)
			return 0;
		if (r == 1)
			return end(p, ret);
		skip = 1;
	}
	struct slice rest = slice_sub(in, skip, in.n);
	n = plain_octets(rest);
	if (n > p->left)
		return ERR_TOO_BIG;
	p->left -= n;
	p->inside = rest.p[n - 1] != '\n';
	*used = skip + n;
	*ret = (struct pop3c_event){ POP3C_BYTES, slice_sub(rest, 0, n) };
	return 1;
}

int pop3c_next(struct pop3c *p, struct slice in, size_t *used, struct pop3c_event *ret)
{
	*used = 0;
	switch (p->at) {
	case POP3C_AT_LINES:
		return take_listed(p, in, used, ret);
	case POP3C_AT_MESSAGE:
		return take_octets(p, in, used, ret);
	default:
		return take_status(p, in, used, ret);
	}
}

bool pop3c_is_over(const struct pop3c *p, const struct pop3c_event *event)
{
	return event->kind == POP3C_ERR || event->kind == POP3C_END ||
	       (event->kind == POP3C_OK && p->at == POP3C_AT_STATUS);
}

int pop3c_pair(struct slice line, uint64_t max, uint64_t *ret_number, struct slice *ret_rest)
{
	ptrdiff_t sp = slice_find_byte(line, ' ', 0);
	if (sp <= 0 || slice_u64(slice_sub(line, 0, (size_t)sp), max, ret_number) < 0)
		return ERR_SYNTAX;
	*ret_rest = slice_sub(line, (size_t)sp + 1, line.n);
	return ret_rest->n ? 0 : ERR_SYNTAX;
}
