/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sieve/write.h"

#include "proto/sieve/run_priv.h"

void sieve_write_string(struct buf *out, struct slice s)
{
	buf_byte(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c == 0)
			continue;
		if (c == '\n' && (i == 0 || s.p[i - 1] != '\r'))
			buf_byte(out, '\r');
		if (c == '"' || c == '\\')
			buf_byte(out, '\\');
		buf_byte(out, c);
	}
	buf_byte(out, '"');
}

void sieve_write_text(struct buf *out, struct slice s)
{
	bool start = true;
	buf_str(out, "text:\r\n");
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c == '\r' || c == 0)
			continue;
		if (c == '\n')
			buf_byte(out, '\r');
		else if (start && c == '.')
			buf_byte(out, '.');
		buf_byte(out, c);
		start = c == '\n';
	}
	buf_str(out, start ? ".\r\n" : "\r\n.\r\n");
}

static void write_list(struct buf *out, const struct slice *v, size_t n)
{
	buf_byte(out, '[');
	for (size_t i = 0; i < n; i++) {
		buf_str(out, i ? ", " : "");
		sieve_write_string(out, v[i]);
	}
	buf_byte(out, ']');
}

/* currentdate :zone "+0100" :value "ge" "iso8601" "2026-12-24T00:00:00+01:00" */
static void write_moment(struct buf *out, const struct sieve_moment *m, const char *relation)
{
	buf_str(out, "currentdate :zone \"");
	sieve_date_part(SLICE("zone"), m->ms, m->zone_minutes, out);
	buf_printf(out, "\" :value \"%s\" \"iso8601\" \"", relation);
	sieve_date_part(SLICE("iso8601"), m->ms, m->zone_minutes, out);
	buf_byte(out, '"');
}

static void write_vacation(struct buf *out, const struct sieve_settings *s)
{
	buf_str(out, "vacation");
	if (s->days)
		buf_printf(out, " :days %u", s->days);
	if (s->subject.n) {
		buf_str(out, " :subject ");
		sieve_write_string(out, s->subject);
	}
	if (s->sender.n) {
		buf_str(out, " :from ");
		sieve_write_string(out, s->sender);
	}
	if (s->n_addresses) {
		buf_str(out, " :addresses ");
		write_list(out, s->addresses, s->n_addresses);
	}
	buf_byte(out, ' ');
	sieve_write_text(out, s->text);
	buf_str(out, ";\r\n");
}

static void write_reply(struct buf *out, const struct sieve_settings *s)
{
	buf_str(out, "\r\n# Autoresponder\r\n");
	if (!s->from.set && !s->until.set) {
		write_vacation(out, s);
		return;
	}
	buf_str(out, "if allof (");
	if (s->from.set)
		write_moment(out, &s->from, "ge");
	if (s->from.set && s->until.set)
		buf_str(out, ",\r\n          ");
	if (s->until.set)
		write_moment(out, &s->until, "lt");
	buf_str(out, ") {\r\n");
	write_vacation(out, s);
	buf_str(out, "}\r\n");
}

static void write_forward(struct buf *out, const struct sieve_settings *s)
{
	buf_str(out, s->forward_keep ? "\r\n# Forward, and keep\r\n" : "\r\n# Forward, and keep nothing here\r\n");
	for (size_t i = 0; i < s->n_forward; i++) {
		buf_str(out, s->forward_keep ? "redirect :copy " : "redirect ");
		sieve_write_string(out, s->forward[i]);
		buf_str(out, ";\r\n");
	}
	if (!s->forward_keep)
		buf_str(out, "stop;\r\n");
}

void sieve_write_settings(struct buf *out, const struct sieve_settings *s)
{
	struct slice caps[4];
	size_t n = 0;
	if (!s->n_forward && !s->reply)
		return;
	if (s->n_forward && s->forward_keep)
		caps[n++] = SLICE("copy");
	if (s->reply && (s->from.set || s->until.set)) {
		caps[n++] = SLICE("date");
		caps[n++] = SLICE("relational");
	}
	if (s->reply)
		caps[n++] = SLICE("vacation");
	if (n) {
		buf_str(out, "require ");
		write_list(out, caps, n);
		buf_str(out, ";\r\n");
	}
	if (s->reply)
		write_reply(out, s);
	if (s->n_forward)
		write_forward(out, s);
}
