/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a task leaves behind, as JSON:
 *
 *   {"folders":[{"name","source","there","here","missing","different","failed","note"}...],
 *    "faults":[{"folder","uid","reason"}...], "unnamed":N}
 *
 * Names of the old server are bytes: what is not UTF-8 in them is written as "\ufffd". Bounded by REPORT_MAX.
 */
#include "room/mover/mover_priv.h"

#include "base/codec.h"

static void put_json(struct buf *out, struct slice s)
{
	buf_byte(out, '"');
	for (size_t at = 0; at < s.n;) {
		uint32_t cp = 0;
		size_t n = utf8_decode(slice_sub(s, at, s.n), &cp);
		if (!n)
			buf_str(out, "\\ufffd");
		else if (cp < 0x20 || cp == '"' || cp == '\\' || cp == 0x7f)
			buf_printf(out, "\\u%04x", (unsigned)cp);
		else
			buf_append(out, s.p + at, n);
		at += n ? n : 1;
	}
	buf_byte(out, '"');
}

void report_fault(struct move_task *t, uint32_t uid, const char *why)
{
	size_t before = t->faults.n;

	if (before)
		buf_byte(&t->faults, ',');
	buf_str(&t->faults, "{\"folder\":");
	put_json(&t->faults, slice_sub(t->work.folder->name, 0, 300));
	buf_printf(&t->faults, ",\"uid\":%u,\"reason\":", uid);
	put_json(&t->faults, slice_str(why));
	buf_byte(&t->faults, '}');
	if (!buf_ok(&t->faults)) {	/* enough of them */
		t->faults.n = before;
		t->faults.over = false;
	}
}

static void put_folder(struct buf *out, const struct move_task *t, const struct folder *f)
{
	uint64_t here = f->done, missing = f->messages > here ? f->messages - here : 0;

	buf_str(out, "{\"name\":");
	put_json(out, f->name);
	buf_str(out, ",\"source\":");
	put_json(out, slice_sub(f->raw, 0, 1000));
	buf_printf(out, ",\"there\":%llu,\"here\":%llu,\"missing\":%llu", (unsigned long long)f->messages,
		   (unsigned long long)here, (unsigned long long)(t->ask.proof ? f->missing : missing));
	if (t->ask.proof)
		buf_printf(out, ",\"different\":%llu", (unsigned long long)f->different);
	if (f->failed)
		buf_printf(out, ",\"failed\":%llu", (unsigned long long)f->failed);
	if (f->skip) {
		buf_str(out, ",\"note\":");
		put_json(out, slice_str(f->skip));
	}
	buf_byte(out, '}');
}

void report_write(struct move_task *t, struct buf *out)
{
	bool first = true;

	buf_str(out, "{\"folders\":[");
	for (size_t i = 0; i < t->n_folders && t->folders && out->n < REPORT_MAX - t->faults.n - 8192; i++) {
		if ((t->folders[i].attributes & IMAPC_NOSELECT) && !t->folders[i].skip)
			continue;
		if (!first)
			buf_byte(out, ',');
		first = false;
		put_folder(out, t, &t->folders[i]);
	}
	buf_str(out, "],\"faults\":[");
	buf_slice(out, buf_view(&t->faults));
	buf_printf(out, "],\"unnamed\":%zu}", t->n_unnamed);
}
