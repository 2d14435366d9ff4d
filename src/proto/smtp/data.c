/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message decoder. States by what was read last:
 *
 *   LINE    a line begins (start of the message, or behind CRLF)
 *   DOT     "." at the begin of a line, held back        (DATA only)
 *   DOT_CR  ".\r" at the begin of a line, held back      (DATA only)
 *   TEXT    inside a line
 *   CR      "\r" inside a line, held back
 *
 * A bare LF leads to TEXT, not to LINE: "\n.\r\n" is text with a fault and never an end. Threats:
 * S01 (smuggling by other line ends), S14 (long lines), S15 (NUL). RFC 5321 2.3.8, 4.1.1.4, 4.5.2.
 */
#include "proto/smtp/data.h"

void smtp_data_init(struct smtp_data *d, bool dots, uint64_t max)
{
	*d = (struct smtp_data){ .state = SMTP_DATA_LINE, .dots = dots, .max = max };
}

static void fault_if(struct smtp_data *d, bool cond, enum smtp_fault fault)
{
	if (cond)
		d->faults |= fault;
}

/* Octets of the message that are given out. */
static struct slice give(struct smtp_data *d, struct slice out)
{
	d->size += out.n;
	fault_if(d, d->size > d->max, SMTP_FAULT_SIZE);
	return d->faults ? slice_of(NULL, 0) : out;
}

/* The run up to the next CR or LF. One pass: a search for each of both would be quadratic for a line of CRs. */
static struct slice text_run(struct smtp_data *d, struct slice *in)
{
	size_t n = 0;
	while (n < in->n && in->p[n] != '\r' && in->p[n] != '\n')
		n++;
	struct slice run = slice_of(in->p, n);
	*in = slice_of(in->p + n, in->n - n);
	fault_if(d, n && memchr(run.p, 0, n), SMTP_FAULT_NUL);
	d->line += n;
	fault_if(d, d->line > SMTP_TEXT_LINE_MAX, SMTP_FAULT_LINE);
	return run;
}

/* The usual case in one piece: as many whole lines as there are that need no closer look. */
static struct slice whole_lines(struct smtp_data *d, struct slice *in)
{
	const uint8_t *p = in->p, *end = in->p + in->n;
	bool begin = d->state == SMTP_DATA_LINE;
	uint64_t line = d->line;
	while (p < end && !(begin && d->dots && *p == '.')) {
		const uint8_t *lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf || lf == p || lf[-1] != '\r')
			break;
		size_t n = (size_t)(lf - 1 - p);
		if (line + n > SMTP_TEXT_LINE_MAX || memchr(p, '\r', n) || memchr(p, 0, n))
			break;
		p = lf + 1;
		begin = true;
		line = 0;
	}
	struct slice run = slice_of(in->p, (size_t)(p - in->p));
	*in = slice_of(p, (size_t)(end - p));
	if (run.n) {
		d->state = SMTP_DATA_LINE;
		d->line = 0;
	}
	return run;
}

static uint8_t take(struct slice *in)
{
	uint8_t c = *in->p;
	*in = slice_of(in->p + 1, in->n - 1);
	return c;
}

/* Inside a line; TEXT and LINE come here once the dot is dealt with. */
static struct slice step_text(struct smtp_data *d, struct slice *in)
{
	struct slice run = d->faults ? slice_of(NULL, 0) : whole_lines(d, in);
	if (run.n)
		return give(d, run);
	run = text_run(d, in);
	d->state = SMTP_DATA_TEXT;
	if (run.n || !in->n)
		return give(d, run);
	if (take(in) == '\n')
		d->faults |= SMTP_FAULT_BARE_LF;
	else
		d->state = SMTP_DATA_CR;
	return slice_of(NULL, 0);
}

static struct slice step_cr(struct smtp_data *d, struct slice *in)
{
	if (*in->p != '\n') {
		d->faults |= SMTP_FAULT_BARE_CR;
		if (*in->p == '\r')
			take(in);
		else
			d->state = SMTP_DATA_TEXT;
		return slice_of(NULL, 0);
	}
	take(in);
	d->state = SMTP_DATA_LINE;
	d->line = 0;
	return give(d, SLICE("\r\n"));
}

/* Behind ".": a CR may begin the end, anything else means that the dot was stuffed. */
static struct slice step_dot(struct smtp_data *d, struct slice *in)
{
	if (*in->p == '\r') {
		take(in);
		d->state = SMTP_DATA_DOT_CR;
	} else {
		d->state = SMTP_DATA_TEXT;
	}
	return slice_of(NULL, 0);
}

static struct slice step_dot_cr(struct smtp_data *d, struct slice *in)
{
	if (*in->p == '\n') {
		take(in);
		d->state = SMTP_DATA_END;
	} else {
		d->faults |= SMTP_FAULT_BARE_CR;
		d->state = *in->p == '\r' ? SMTP_DATA_CR : SMTP_DATA_TEXT;
		if (*in->p == '\r')
			take(in);
	}
	return slice_of(NULL, 0);
}

static struct slice step_line(struct smtp_data *d, struct slice *in)
{
	if (!d->dots || *in->p != '.')
		return step_text(d, in);
	take(in);
	d->state = SMTP_DATA_DOT;
	return slice_of(NULL, 0);
}

int smtp_data_step(struct smtp_data *d, struct slice *in, struct slice *ret_out)
{
	bug_if(d->state == SMTP_DATA_END);
	*ret_out = slice_of(NULL, 0);
	if (!in->n)
		return 0;
	switch (d->state) {
	case SMTP_DATA_LINE:
		*ret_out = step_line(d, in);
		break;
	case SMTP_DATA_DOT:
		*ret_out = step_dot(d, in);
		break;
	case SMTP_DATA_DOT_CR:
		*ret_out = step_dot_cr(d, in);
		break;
	case SMTP_DATA_TEXT:
		*ret_out = step_text(d, in);
		break;
	case SMTP_DATA_CR:
		*ret_out = step_cr(d, in);
		break;
	case SMTP_DATA_END:
		break;
	}
	return d->state == SMTP_DATA_END;
}

struct slice smtp_data_finish(struct smtp_data *d)
{
	fault_if(d, d->state == SMTP_DATA_CR, SMTP_FAULT_BARE_CR);
	bool open = d->state == SMTP_DATA_TEXT;
	d->state = SMTP_DATA_END;
	return open ? give(d, SLICE("\r\n")) : slice_of(NULL, 0);
}

const struct smtp_status *smtp_data_refusal(const struct smtp_data *d)
{
	static const struct smtp_status size = { 552, "5.3.4", "The message is larger than this server takes" },
		bare = { 554, "5.6.0", "A CR or LF of the message is not part of a CRLF (RFC 5321 2.3.8)" },
		nul = { 554, "5.6.0", "The message has a NUL octet (RFC 5321 4.5.2)" },
		line = { 554, "5.6.0", "A line of the message is longer than 65536 octets" };
	if (d->faults & (SMTP_FAULT_BARE_CR | SMTP_FAULT_BARE_LF))
		return &bare;
	if (d->faults & SMTP_FAULT_NUL)
		return &nul;
	if (d->faults & SMTP_FAULT_LINE)
		return &line;
	return d->faults ? &size : NULL;
}
