/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5804 1.2, 1.3, 1.7: responses, their codes, capabilities. Refusals are in the language of who is logged in, as UTF-8. */
#include "proto/managesieve/server_priv.h"

enum { QUOTED_MAX = 1024, REPLY_MAX = 16 * 1024 };

void ms_put_string(struct buf *out, struct slice s)
{
	bool plain = s.n <= QUOTED_MAX;
	for (size_t i = 0; i < s.n && plain; i++)
		plain = s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != 0;
	if (!plain) {
		buf_printf(out, "{%zu}\r\n", s.n);
		buf_slice(out, s);
		return;
	}
	buf_byte(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_byte(out, '\\');
		buf_byte(out, s.p[i]);
	}
	buf_byte(out, '"');
}

static void say(struct managesieve *s, const char *word, const char *code, const char *text)
{
	struct buf out = BUF_INIT(REPLY_MAX);
	buf_str(&out, word);
	if (code[0])
		buf_printf(&out, " (%s)", code);
	if (text[0]) {
		buf_byte(&out, ' ');
		ms_put_string(&out, slice_str(text));
	}
	buf_str(&out, "\r\n");
	s->ops->write(s->ctx, buf_view(&out));
	buf_fini(&out);
}

void ms_ok(struct managesieve *s, const char *text)
{
	s->errors = 0;
	say(s, "OK", "", text);
}

void ms_ok_tag(struct managesieve *s, struct slice tag)
{
	struct buf out = BUF_INIT(MANAGESIEVE_INPUT_MAX);
	s->errors = 0;
	buf_str(&out, "OK (TAG ");
	ms_put_string(&out, tag);
	buf_str(&out, ") \"Done\"\r\n");
	s->ops->write(s->ctx, buf_view(&out));
	buf_fini(&out);
}

void ms_no(struct managesieve *s, const char *code, const char *text)
{
	say(s, "NO", code, text_in(s->language, text));
	if (++s->errors < MANAGESIEVE_ERRORS_MAX)
		return;
	ms_bye(s, N_("Too many errors"));
	ms_close(s);
}

void ms_bye(struct managesieve *s, const char *text)
{
	say(s, "BYE", "", text_in(s->language, text));
}

static void capability(struct buf *out, const char *name, const char *value)
{
	ms_put_string(out, slice_str(name));
	if (value) {
		buf_byte(out, ' ');
		ms_put_string(out, slice_str(value));
	}
	buf_str(out, "\r\n");
}

void ms_capabilities(struct managesieve *s)
{
	struct buf out = BUF_INIT(REPLY_MAX);
	char redirects[16];
	snprintf(redirects, sizeof(redirects), "%u", s->settings.max_redirects);
	capability(&out, "IMPLEMENTATION", "Postern");
	capability(&out, "SASL", s->tls && !s->owner.n ? "PLAIN" : "");
	capability(&out, "SIEVE", s->settings.extensions);
	if (!s->tls && s->settings.has_tls)
		capability(&out, "STARTTLS", NULL);
	capability(&out, "MAXREDIRECTS", redirects);
	capability(&out, "UNAUTHENTICATE", NULL);
	if (s->owner.n)
		capability(&out, "OWNER", buf_cstr(&s->owner));
	capability(&out, "VERSION", "1.0");
	s->ops->write(s->ctx, buf_view(&out));
	buf_fini(&out);
}
