/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the client writes and what it reads of EHLO's answer: RFC 5321 4.1.1, RFC 1870 (SIZE), RFC 6152
 * (8BITMIME), RFC 6531 (SMTPUTF8), RFC 3461 (DSN). Invariant: no byte of an address or an xtext that could
 * end a command or open another parameter gets out; what is malformed is left out or refused beforehand.
 */
#include "proto/smtp/client_priv.h"

#include "base/codec.h"
#include "base/err.h"
#include "proto/smtp/client.h"

static void cap_line(struct slice line, struct smtp_caps *caps)
{
	static const struct {
		const char *name;
		enum smtp_cap cap;
	} known[] = {
		{"PIPELINING", CAP_PIPELINING}, {"SIZE", CAP_SIZE}, {"8BITMIME", CAP_8BITMIME},
		{"SMTPUTF8", CAP_SMTPUTF8},     {"DSN", CAP_DSN},   {"STARTTLS", CAP_STARTTLS},
	};
	ptrdiff_t space = slice_find_byte(line, ' ', 0);
	struct slice word = slice_sub(line, 0, space < 0 ? line.n : (size_t)space);
	struct slice rest = slice_trim(slice_sub(line, word.n, line.n));
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!slice_eq_ci(word, slice_str(known[i].name)))
			continue;
		caps->has |= known[i].cap;
		if (known[i].cap == CAP_SIZE && slice_u64(rest, UINT64_MAX, &caps->size) < 0)
			caps->size = 0;
	}
}

void smtp_caps_parse(struct slice text, struct smtp_caps *ret)
{
	*ret = (struct smtp_caps){ 0 };
	ptrdiff_t at = slice_find_byte(text, '\n', 0);
	while (at >= 0) {
		ptrdiff_t end = slice_find_byte(text, '\n', (size_t)at + 1);
		cap_line(slice_sub(text, (size_t)at + 1, end < 0 ? text.n : (size_t)end), ret);
		at = end;
	}
}

bool smtp_client_address_ok(struct slice a, bool utf8)
{
	bool quoted = false;
	if (a.n > SMTP_CLIENT_ADDRESS_MAX || !(utf8 ? utf8_valid(a) : ascii_only(a)))
		return false;
	for (size_t i = 0; i < a.n; i++) {
		uint8_t c = a.p[i];
		if (c < 0x20 || c == 0x7f)
			return false;
		if (quoted && c == '\\') {
			if (++i >= a.n || a.p[i] < 0x20 || a.p[i] == 0x7f)
				return false;
		} else if (c == '"') {
			quoted = !quoted;
		} else if (!quoted && (c == '<' || c == '>' || c == ' ')) {
			return false;
		}
	}
	return !quoted;
}

/* RFC 3461 4: xchar is a printable ASCII character but "+" and "="; hexchar is "+" and two upper-case digits. */
static bool xtext_ok(struct slice s, size_t max)
{
	if (!s.n || s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c < 0x21 || c > 0x7e || c == '=')
			return false;
		if (c != '+')
			continue;
		for (size_t k = 1; k <= 2; k++)
			if (i + k >= s.n || !(ascii_is_digit(s.p[i + k]) ||
					      (s.p[i + k] >= 'A' && s.p[i + k] <= 'F')))
				return false;
		i += 2;
	}
	return true;
}

static bool orcpt_ok(struct slice s)
{
	ptrdiff_t semicolon = slice_find_byte(s, ';', 0);
	if (semicolon < 1)
		return false;
	for (ptrdiff_t i = 0; i < semicolon; i++)
		if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) && s.p[i] != '-')
			return false;
	return xtext_ok(slice_sub(s, (size_t)semicolon + 1, s.n), 500);
}

void smtp_write_mail(struct buf *out, const struct smtp_client_mail *mail,
		     const struct smtp_caps *caps)
{
	buf_str(out, "MAIL FROM:<");
	buf_slice(out, mail->sender);
	buf_byte(out, '>');
	if (caps->has & CAP_SIZE)
		buf_printf(out, " SIZE=%llu", (unsigned long long)mail->size);
	/* DEVIATES: RFC 6152 3: where the server does not know 8BITMIME the message goes as it is: re-coding
	 * would change bytes (and break signatures), and servers that are not 8-bit clean are gone. */
	if (mail->body_8bit && caps->has & CAP_8BITMIME)
		buf_str(out, " BODY=8BITMIME");
	if (mail->smtputf8)
		buf_str(out, " SMTPUTF8");
	if (caps->has & CAP_DSN) {
		buf_str(out, mail->ret_headers ? " RET=HDRS" : "");
		if (xtext_ok(mail->envid, 100)) {
			buf_str(out, " ENVID=");
			buf_slice(out, mail->envid);
		}
	}
	buf_str(out, "\r\n");
}

static void write_notify(struct buf *out, unsigned notify)
{
	static const char *const words[] = { "SUCCESS", "FAILURE", "DELAY" };
	const char *before = " NOTIFY=";
	if (notify & SMTP_NOTIFY_NEVER) {
		buf_str(out, " NOTIFY=NEVER");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!(notify & (SMTP_NOTIFY_SUCCESS << i)))
			continue;
		buf_str(out, before);
		buf_str(out, words[i]);
		before = ",";
	}
}

void smtp_write_rcpt(struct buf *out, const struct smtp_client_rcpt *rcpt,
		     const struct smtp_caps *caps)
{
	buf_str(out, "RCPT TO:<");
	buf_slice(out, rcpt->address);
	buf_byte(out, '>');
	if (caps->has & CAP_DSN) {
		write_notify(out, rcpt->notify);
		if (orcpt_ok(rcpt->orcpt)) {
			buf_str(out, " ORCPT=");
			buf_slice(out, rcpt->orcpt);
		}
	}
	buf_str(out, "\r\n");
}
