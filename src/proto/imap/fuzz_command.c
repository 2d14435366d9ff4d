/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader and every argument parser, before and after login. The first byte picks the state and how the
 * rest is cut into pieces; cut or whole, the reader must say the same.
 */
#include "base/err.h"
#include "proto/imap/args.h"
#include "proto/imap/fetch_args.h"
#include "proto/imap/reader.h"
#include "proto/imap/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct imap_reader r;
	struct buf log;
};

static void parse(struct slice text, bool utf8)
{
	struct arena *a = arena_new();
	struct imap_scan s = { .in = text, .arena = a, .utf8 = utf8 };
	struct slice tag, verb;

	if (imap_scan_tag(&s, &tag) == 0 && imap_scan_sp(&s) == 0 && imap_scan_word(&s, &verb) == 0 &&
	    imap_scan_sp(&s) == 0) {
		struct imap_scan t;
		struct imap_fetch_args fetch;
		struct imap_store_args store;
		struct imap_list_args list;
		struct imap_status_args status;
		struct imap_select_args select;
		struct imap_create_args create;
		struct imap_append_args append;
		struct imap_search search;
		struct buf out = BUF_INIT(1 << 20);
		if (t = s, imap_fetch_args_scan(&t, &fetch) == 0 && fetch.n_sections)
			imap_section_write(&out, &fetch.sections[0]);
		IGNORE((t = s, imap_store_args_scan(&t, &store)), "fuzz");
		IGNORE((t = s, imap_list_args_scan(&t, &list)), "fuzz");
		IGNORE((t = s, imap_status_args_scan(&t, &status)), "fuzz");
		IGNORE((t = s, imap_select_args_scan(&t, &select)), "fuzz");
		IGNORE((t = s, imap_create_args_scan(&t, &create)), "fuzz");
		IGNORE((t = s, imap_append_args_scan(&t, &append)), "fuzz");
		IGNORE((t = s, imap_search_scan(&t, &search)), "fuzz");
		buf_fini(&out);
	}
	arena_free(&a);
}

/* false: closed */
static bool step(struct run *run, enum imap_read what)
{
	switch (what) {
	case IMAP_READ_COMMAND:
		parse(buf_view(&run->r.text), run->log.n & 1);
		buf_str(&run->log, "\nC");
		buf_slice(&run->log, buf_view(&run->r.text));
		imap_reader_next(&run->r);
		break;
	case IMAP_READ_LITERAL:
		parse(buf_view(&run->r.text), false);
		buf_str(&run->log, "\nL");
		if (run->r.literal_size % 3 == 0)
			IGNORE(imap_reader_stream(&run->r), "nobody waits");
		else if (run->r.literal_size % 3 == 1)
			IGNORE(imap_reader_take(&run->r), "nobody waits");
		else
			imap_reader_refuse(&run->r, "no", true);
		break;
	case IMAP_READ_DATA:
		buf_slice(&run->log, run->r.data);
		break;
	case IMAP_READ_REFUSED:
		buf_str(&run->log, "\nR");
		imap_reader_next(&run->r);
		break;
	case IMAP_READ_CLOSE:
		buf_str(&run->log, "\nX");
		return false;
	case IMAP_READ_MORE:
		break;
	}
	return true;
}

static void run_pieces(struct run *run, struct slice in, size_t piece, const struct imap_limits *l)
{
	imap_reader_init(&run->r, l);
	run->log = BUF_INIT(4 << 20);
	for (size_t at = 0; at < in.n; at += piece) {
		struct slice part = slice_sub(in, at, at + piece);
		for (;;) {
			size_t used;
			enum imap_read what = imap_reader_step(&run->r, part, &used);
			part = slice_sub(part, used, part.n);
			if (!step(run, what))
				goto out;
			if (what == IMAP_READ_MORE && !part.n)
				break;
		}
	}
out:
	imap_reader_fini(&run->r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run whole, cut;

	if (!size)
		return 0;
	const struct imap_limits *l = data[0] & 1 ? &imap_limits_user : &imap_limits_login;
	struct slice in = slice_of(data + 1, size - 1);
	run_pieces(&whole, in, in.n ? in.n : 1, l);
	run_pieces(&cut, in, 1 + (data[0] >> 1) % 16, l);
	bug_if(!slice_eq(buf_view(&whole.log), buf_view(&cut.log)));
	buf_fini(&whole.log);
	buf_fini(&cut.log);
	return 0;
}
