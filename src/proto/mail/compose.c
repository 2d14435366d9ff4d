/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header values are cleaned first (no controls, valid UTF-8, single blanks), then written word by word. The words
 * from the first to the last that cannot stand as they are become encoded words; a character is never split
 * between two of these (RFC 2047 5). Boundaries need no search: "=_" cannot stand in quoted-printable or base64, and
 * is looked for in what goes as 7bit.
 */
#include "proto/mail/compose.h"

#include "base/codec.h"
#include "base/err.h"
#include "proto/mail/date.h"

enum {
	WORD_MAX = 75,		/* RFC 2047 2 */
	WORD_FRAME = 12,	/* =?utf-8?q? ?= */
	WORD_LEAST = 30,	/* a shorter piece is not begun at the end of a line */
	PLAIN_WORD_MAX = 74,
	LINE_7BIT_MAX = 990,
	CHARACTER_MAX = 4,
};

/* --- header values ------------------------------------------------------------------------------------ */

static bool is_blank_like(uint32_t cp)
{
	return cp <= 0x20 || (cp >= 0x7f && cp <= 0xa0) || cp == 0x2028 || cp == 0x2029;
}

/* Valid UTF-8 without controls, one blank between words, none around. */
static void clean_value(struct buf *out, struct slice s)
{
	bool blank = false;
	s = slice_sub(s, 0, COMPOSE_VALUE_MAX);
	while (s.n) {
		uint32_t cp = 0xfffd;
		size_t n = utf8_decode(s, &cp);
		if (n && is_blank_like(cp)) {
			blank = true;
		} else {
			if (blank && out->n)
				buf_byte(out, ' ');
			blank = false;
			utf8_encode(out, n ? cp : 0xfffd);
		}
		s = slice_sub(s, n ? n : 1, s.n);
	}
}

struct line {
	struct buf *out;
	size_t used;
	const char *indent;	/* of the lines behind the first one */
	size_t least;		/* what stands on a line in front of its first word */
};

static void fold(struct line *l)
{
	buf_str(l->out, "\r\n");
	buf_str(l->out, l->indent);
	l->used = l->least;
}

/* The blank in front of the next word, or a fold where n more bytes would not fit. */
static void gap(struct line *l, size_t n)
{
	if (l->used + 1 + n > COMPOSE_LINE_MAX && l->used > l->least) {
		fold(l);
	} else if (l->used > l->least) {
		buf_byte(l->out, ' ');
		l->used++;
	}
}

static void put_word(struct line *l, struct slice word)
{
	gap(l, word.n);
	buf_slice(l->out, word);
	l->used += word.n;
}

static struct slice next_word(struct slice *rest)
{
	ptrdiff_t end = slice_find_byte(*rest, ' ', 0);
	struct slice word = slice_sub(*rest, 0, end < 0 ? rest->n : (size_t)end);
	*rest = slice_sub(*rest, end < 0 ? rest->n : (size_t)end + 1, rest->n);
	return word;
}

static bool stands_as_it_is(struct slice word)
{
	return ascii_only(word) && word.n <= PLAIN_WORD_MAX && slice_find(word, SLICE("=?"), 0) < 0;
}

/* In an encoded word of any place, RFC 2047 5 (3). */
static bool is_q_plain(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || (c && strchr("!*+-/", c));
}

static size_t q_length(struct slice s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += is_q_plain(s.p[i]) || s.p[i] == ' ' ? 1 : 3;
	return n;
}

static size_t character_length(struct slice s)
{
	size_t n = 1;
	while (n < s.n && n < CHARACTER_MAX && (s.p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* How many bytes of s, whole characters, fit into room bytes of encoded text. */
static size_t fitting(struct slice s, bool q, size_t room)
{
	size_t n = 0;
	while (n < s.n) {
		size_t more = n + character_length(slice_sub(s, n, s.n));
		struct slice piece = slice_sub(s, 0, more);
		if ((q ? q_length(piece) : (more + 2) / 3 * 4) > room)
			break;
		n = more;
	}
	return n;
}

static void put_encoded(struct line *l, struct slice run)
{
	bool q = q_length(run) <= 2 * run.n; /* readable as long as half of it is */
	while (run.n) {
		if (l->used + 1 + WORD_LEAST > COMPOSE_LINE_MAX && l->used > 1)
			fold(l);
		size_t room = COMPOSE_LINE_MAX - l->used - (l->used > 1);
		size_t n = fitting(run, q, (room < WORD_MAX ? room : WORD_MAX) - WORD_FRAME);
		struct slice piece = slice_sub(run, 0, n);
		size_t before = l->out->n;
		if (l->used > 1)
			buf_byte(l->out, ' ');
		buf_str(l->out, q ? "=?utf-8?q?" : "=?utf-8?b?");
		for (size_t i = 0; q && i < n; i++) {
			if (piece.p[i] == ' ')
				buf_byte(l->out, '_');
			else if (is_q_plain(piece.p[i]))
				buf_byte(l->out, piece.p[i]);
			else
				buf_printf(l->out, "=%02X", piece.p[i]);
		}
		if (!q)
			base64_encode(l->out, piece);
		buf_str(l->out, "?=");
		l->used += l->out->n - before;
		run = slice_sub(run, n, run.n);
	}
}

/* From the first to the last word that cannot stand: everything between is encoded, its blanks, too. */
static struct slice run_to_encode(struct slice value)
{
	struct slice rest = value;
	const uint8_t *from = NULL, *to = NULL;
	while (rest.n) {
		struct slice word = next_word(&rest);
		if (stands_as_it_is(word))
			continue;
		from = from ? from : word.p;
		to = word.p + word.n;
	}
	return from ? slice_of(from, (size_t)(to - from)) : (struct slice){ 0 };
}

static void put_words(struct line *l, struct slice words)
{
	words = slice_trim(words);
	while (words.n)
		put_word(l, next_word(&words));
}

static void put_text(struct line *l, struct slice value)
{
	struct slice run = run_to_encode(value);
	if (!run.n) {
		put_words(l, value);
		return;
	}
	size_t from = (size_t)(run.p - value.p);
	put_words(l, slice_sub(value, 0, from));
	put_encoded(l, run);
	put_words(l, slice_sub(value, from + run.n, value.n));
}

static struct line begin(struct buf *out, const char *name)
{
	buf_str(out, name);
	buf_byte(out, ':');
	return (struct line){ out, strlen(name) + 1, " ", 1 };
}

void compose_field(struct buf *out, const char *name, struct slice value)
{
	struct buf clean = BUF_INIT(3 * COMPOSE_VALUE_MAX);
	struct line l = begin(out, name);
	clean_value(&clean, value);
	put_text(&l, buf_view(&clean));
	buf_str(out, "\r\n");
	buf_fini(&clean);
}

void compose_plain(struct buf *out, const char *name, struct slice value)
{
	struct buf clean = BUF_INIT(3 * COMPOSE_VALUE_MAX);
	struct line l = begin(out, name);
	clean_value(&clean, value);
	put_words(&l, buf_view(&clean));
	buf_str(out, "\r\n");
	buf_fini(&clean);
}

void compose_lines(struct buf *out, const char *indent, struct slice value)
{
	struct buf clean = BUF_INIT(3 * COMPOSE_VALUE_MAX);
	struct line l = { out, strlen(indent), indent, strlen(indent) };
	clean_value(&clean, value);
	buf_str(out, indent);
	put_words(&l, buf_view(&clean));
	buf_str(out, "\r\n");
	buf_fini(&clean);
}

static bool is_phrase(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && (!c || !strchr(" !#$%&'*+-/=?^_`{|}~", c)))
			return false;
	}
	return true;
}

/* As atoms, as a quoted-string, or encoded. */
static void put_display(struct line *l, struct slice name)
{
	if (run_to_encode(name).n) {
		put_encoded(l, name);
		return;
	}
	if (is_phrase(name)) {
		put_words(l, name);
		return;
	}
	struct buf quoted = BUF_INIT(2 * name.n + 2);
	buf_byte(&quoted, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_byte(&quoted, '\\');
		buf_byte(&quoted, name.p[i]);
	}
	buf_byte(&quoted, '"');
	put_words(l, buf_view(&quoted));
	buf_fini(&quoted);
}

void compose_address(struct buf *out, const char *name, struct slice display, struct slice address)
{
	struct buf clean = BUF_INIT(3 * COMPOSE_VALUE_MAX), spec = BUF_INIT(3 * COMPOSE_VALUE_MAX);
	struct line l = begin(out, name);
	clean_value(&clean, display);
	buf_byte(&spec, '<');
	clean_value(&spec, address);
	buf_byte(&spec, '>');
	if (clean.n) {
		put_display(&l, buf_view(&clean));
		put_words(&l, buf_view(&spec));
	} else {
		put_words(&l, slice_sub(buf_view(&spec), 1, spec.n - 1));
	}
	buf_str(out, "\r\n");
	buf_fini(&clean);
	buf_fini(&spec);
}

void compose_date(struct buf *out, const char *name, int64_t ms)
{
	buf_printf(out, "%s: ", name);
	mail_date_format(out, ms, 0);
	buf_str(out, "\r\n");
}

/* --- bodies ------------------------------------------------------------------------------------------- */

void compose_clean_text(struct buf *out, struct slice s)
{
	size_t before = out->n;
	while (s.n) {
		uint32_t cp = 0;
		size_t n = utf8_decode(s, &cp);
		if (s.p[0] == '\r' || s.p[0] == '\n') {
			n = s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n' ? 2 : 1;
			buf_str(out, "\r\n");
		} else if (n == 0) {
			utf8_encode(out, 0xfffd);
		} else if (cp != '\t' && (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))) {
			buf_byte(out, ' ');
		} else {
			buf_append(out, s.p, n);
		}
		s = slice_sub(s, n ? n : 1, s.n);
	}
	if (out->n > before && out->p[out->n - 1] != '\n')
		buf_str(out, "\r\n");
}

/* ASCII in lines that every server passes on as they are; "=_" would be taken for a boundary. */
static bool fits_7bit(struct slice text)
{
	size_t line = 0;
	for (size_t i = 0; i < text.n; i++) {
		line = text.p[i] == '\n' ? 0 : line + (text.p[i] != '\r');
		if (text.p[i] >= 0x80 || line > LINE_7BIT_MAX)
			return false;
	}
	return slice_find(text, SLICE("=_"), 0) < 0;
}

static bool is_end(struct slice s, size_t at)
{
	return at >= s.n || s.p[at] == '\r';
}

/* RFC 2045 6.7 (1) to (5); the text has CRLF line ends only. */
static void put_qp(struct buf *out, struct slice s)
{
	size_t used = 0;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c == '\r') {
			buf_str(out, "\r\n");
			i++;
			used = 0;
			continue;
		}
		bool blank = c == ' ' || c == '\t';
		bool plain = blank ? !is_end(s, i + 1) : c > 0x20 && c < 0x7f && c != '=';
		if (used + (plain ? 1 : 3) > COMPOSE_LINE_MAX - (is_end(s, i + 1) ? 0u : 1u)) {
			buf_str(out, "=\r\n");
			used = 0;
		}
		if (plain)
			buf_byte(out, c);
		else
			buf_printf(out, "=%02X", c);
		used += plain ? 1 : 3;
	}
}

static void put_base64(struct buf *out, struct slice s)
{
	for (size_t at = 0; at < s.n; at += COMPOSE_LINE_MAX / 4 * 3) {
		base64_encode(out, slice_sub(s, at, at + COMPOSE_LINE_MAX / 4 * 3));
		buf_str(out, "\r\n");
	}
}

void compose_text(struct buf *out, const char *type, struct slice text)
{
	struct buf clean = BUF_INIT(3 * text.n + 2);
	compose_clean_text(&clean, text);
	struct slice s = buf_view(&clean);
	size_t q = 0;
	for (size_t i = 0; i < s.n; i++)
		q += s.p[i] >= 0x80 || s.p[i] == '=' ? 3 : 1;
	bool plain = fits_7bit(s), qp = q <= 2 * s.n;
	buf_printf(out, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n", type,
		   plain ? "7bit" : qp ? "quoted-printable" : "base64");
	if (plain)
		buf_slice(out, s);
	else if (qp)
		put_qp(out, s);
	else
		put_base64(out, s);
	buf_fini(&clean);
}

void compose_as_is(struct buf *out, const char *type, struct slice bytes)
{
	buf_printf(out, "Content-Type: %s\r\n", type);
	if (!ascii_only(bytes))
		buf_str(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_str(out, "\r\n");
	buf_slice(out, bytes);
}

void compose_multipart(struct buf *out, const char *kind, const char *id, bool eight_bit)
{
	struct line l = begin(out, "Content-Type");
	struct buf type = BUF_INIT(COMPOSE_VALUE_MAX);
	buf_printf(&type, "multipart/%s; boundary=\"=_%s\"", kind, id);
	put_words(&l, buf_view(&type));
	buf_str(out, eight_bit ? "\r\nContent-Transfer-Encoding: 8bit\r\n" : "\r\n");
	buf_fini(&type);
}

/* The first line end is the end of the header, or the boundary's own: a part keeps its last line as it is. */
void compose_part(struct buf *out, const char *id)
{
	buf_printf(out, "\r\n--=_%s\r\n", id);
}

void compose_end(struct buf *out, const char *id)
{
	buf_printf(out, "\r\n--=_%s--\r\n", id);
}

void compose_head(struct buf *out, const struct compose *m)
{
	compose_date(out, "Date", m->date_ms);
	compose_address(out, "From", m->from_name, m->from);
	compose_address(out, "To", m->to_name, m->to);
	compose_field(out, "Subject", m->subject);
	buf_printf(out, "Message-ID: <%s@%s>\r\n", m->id, m->host);
	if (m->in_reply_to.n)
		compose_plain(out, "In-Reply-To", m->in_reply_to);
	if (m->references.n)
		compose_plain(out, "References", m->references);
	if (m->auto_submitted)
		buf_printf(out, "Auto-Submitted: %s\r\n", m->auto_submitted);
	if (m->language)
		buf_printf(out, "Content-Language: %s\r\n", m->language);
	buf_str(out, "MIME-Version: 1.0\r\n");
}

void compose_write(struct buf *out, const struct compose *m)
{
	compose_head(out, m);
	if (!m->html.n) {
		compose_text(out, "text/plain", m->text);
		return;
	}
	compose_multipart(out, "alternative", m->id, false);
	compose_part(out, m->id);
	compose_text(out, "text/plain", m->text);
	compose_part(out, m->id);
	compose_text(out, "text/html", m->html);
	compose_end(out, m->id);
}
