/* SPDX-License-Identifier: Apache-2.0 */
#include "base/event.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"

#include <sys/uio.h>

enum { EV_LINE_MAX = 8192 };

static struct {
	char who[32];
	bool json;
	enum ev_level least;
} sink = { "postern", false, EV_INFO };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void ev_setup(const char *who, bool json, enum ev_level least)
{
	snprintf(sink.who, sizeof(sink.who), "%s", who);
	sink.json = json;
	sink.least = least;
}

/* JSON string rules; in text form the same escapes, so that a line can be taken apart again. */
static void put_escaped(struct buf *b, struct slice s)
{
	struct slice left = slice_sub(s, 0, EV_VALUE_MAX);
	while (left.n) {
		uint32_t cp;
		size_t n = utf8_decode(left, &cp);
		if (n == 0) {
			buf_printf(b, "\\u%04x", 0xdc00u + left.p[0]); /* a byte that is no UTF-8 */
			n = 1;
		} else if (cp == '"' || cp == '\\') {
			buf_byte(b, '\\');
			buf_byte(b, (uint8_t)cp);
		} else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029 ||
			   (cp >= 0x202a && cp <= 0x202e)) {
			buf_printf(b, "\\u%04x", cp);
		} else {
			buf_slice(b, slice_sub(left, 0, n));
		}
		left = slice_sub(left, n, left.n);
	}
	if (s.n > EV_VALUE_MAX)
		buf_str(b, "...");
}

static void put_time(struct buf *b)
{
	int64_t ms = clock_wall_ms();
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char text[32];
	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(b, "%s.%03dZ", text, (int)(ms % 1000));
}

static void put_field(struct buf *b, const struct ev_field *f)
{
	buf_printf(b, sink.json ? ",\"%s\":" : " %s=", f->key);
	if (f->type == EV_INT) {
		buf_printf(b, "%lld", (long long)f->i);
		return;
	}
	buf_byte(b, '"');
	put_escaped(b, f->s);
	buf_byte(b, '"');
}

void ev_emit(enum ev_level level, const char *name, const struct ev_field *fields)
{
	if (level < sink.least)
		return;
	struct buf b = BUF_INIT(EV_LINE_MAX);
	if (sink.json)
		buf_str(&b, "{\"time\":\"");
	put_time(&b);
	buf_printf(&b,
		   sink.json ? "\",\"level\":\"%s\",\"room\":\"%s\",\"event\":\"%s\"" : " %-5s %s %s",
		   level_names[level], sink.who, name);
	for (const struct ev_field *f = fields; f->key; f++)
		put_field(&b, f);
	buf_str(&b, sink.json ? "}\n" : "\n");
	IGNORE(write(2, b.p, b.n) < 0, "nowhere is left to say it");
	buf_fini(&b);
}
