/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postern move: how far a copy is, with a bar for each mailbox, rate and remaining time. --watch
 * goes on until the copy ends: on a terminal the picture is drawn over the one before, elsewhere a
 * line is printed when figures change.
 */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/err.h"

enum { BAR = 24, WATCH_MS = 500, LINES_MAX = 200 };

static uint64_t number(const json_t *o, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(o, name));
	return v > 0 ? (uint64_t)v : 0;
}

static const char *text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));
	return s ? s : "";
}

enum { STATE_WIDTH = 10 };

static void bar(uint64_t done, uint64_t total, struct buf *out)
{
	uint64_t filled = total ? (done < total ? done * BAR / total : BAR) : 0;
	buf_byte(out, '[');
	for (uint64_t i = 0; i < BAR; i++)
		buf_byte(out, i < filled ? '#' : '.');
	buf_printf(out, "] %3ju%%",
		   (uintmax_t)(total ? (done < total ? done * 100 / total : 100) : 0));
}

/* Two samples of a running copy give its rate. */
struct sample {
	int64_t ms;
	uint64_t done, bytes;
};

static void rate(const json_t *move, const struct sample *first, struct buf *out)
{
	uint64_t done = number(move, "messages_done"), total = number(move, "messages_total");
	int64_t ms = clock_mono_ms() - first->ms;
	if (ms < 1000 || done <= first->done)
		return;
	double per_second = (double)(done - first->done) * 1000 / (double)ms;
	buf_printf(out, "  %.0f/s ", per_second);
	show_bytes((number(move, "bytes_new") - first->bytes) * 1000 / (uint64_t)ms, out);
	buf_str(out, "B/s");
	if (total > done) {
		struct buf left = BUF_INIT(64);
		show_duration((int64_t)((double)(total - done) * 1000 / per_second), &left);
		buf_printf(out, T_(", about %s left"), buf_cstr(&left));
		buf_fini(&left);
	}
}

static void headline(const json_t *move, const struct sample *first, struct buf *out)
{
	uint64_t failed = number(move, "messages_failed"), messages = number(move, "messages_total"),
		 mailboxes = number(move, "mailboxes_total");
	show_safe(slice_str(text(move, "domain")), out);
	buf_printf(out, ": %s  ", word_said(text(move, "state")));
	bar(number(move, "messages_done"), messages, out);
	buf_printf(out, messages == 1 ? T_("  %ju of %ju message") : T_("  %ju of %ju messages"),
		   (uintmax_t)number(move, "messages_done"), (uintmax_t)messages);
	buf_printf(out, mailboxes == 1 ? T_(", %ju of %ju mailbox") : T_(", %ju of %ju mailboxes"),
		   (uintmax_t)number(move, "mailboxes_done"), (uintmax_t)mailboxes);
	if (failed)
		buf_printf(out, T_(", %ju failed"), (uintmax_t)failed);
	if (first)
		rate(move, first, out);
}

/* Columns are what a screen shows, not bytes. */
static void put_padded(const char *what, size_t width, struct buf *out)
{
	struct buf safe = BUF_INIT(4096);
	show_safe(slice_str(what), &safe);
	size_t have = text_width(buf_cstr(&safe));
	buf_printf(out, "%s%*s", buf_cstr(&safe), (int)(width > have ? width - have : 0), "");
	buf_fini(&safe);
}

static void mailbox_line(const json_t *m, size_t width, struct buf *out)
{
	bool empty = !number(m, "messages_total") && !strcmp(text(m, "state"), "done");
	buf_str(out, "  ");
	put_padded(text(m, "address"), width, out);
	buf_str(out, "  ");
	bar(empty ? 1 : number(m, "messages_done"), empty ? 1 : number(m, "messages_total"), out);
	buf_str(out, "  ");
	put_padded(word_said(text(m, "state")), STATE_WIDTH, out);
	buf_printf(out, T_(" %ju of %ju"), (uintmax_t)number(m, "messages_done"), (uintmax_t)number(m, "messages_total"));
	if (number(m, "messages_new"))
		buf_printf(out, T_(", %ju new"), (uintmax_t)number(m, "messages_new"));
	if (*text(m, "error")) {
		buf_str(out, "  ");
		show_safe(slice_str(text(m, "error")), out);
	}
}

static size_t widest(const json_t *rows, const char *field)
{
	size_t i, most = 0;
	json_t *row;
	json_array_foreach(rows, i, row) {
		size_t w = text_width(text(row, field));
		most = w > most ? w : most;
	}
	return most < 50 ? most : 50;
}

/* A line that wraps would spoil the picture drawn over it; width 0: as long as it is. */
static void print_line(struct buf *line, size_t width)
{
	while (width && line->n && text_width(buf_cstr(line)) >= width) {
		do
			line->n--;
		while (line->n && (line->p[line->n] & 0xc0) == 0x80);
	}
	puts(buf_cstr(line));
	buf_clear(line);
}

/* Returns the lines printed; at most max. */
static size_t draw(const json_t *move, const struct sample *first, size_t max, size_t columns)
{
	json_t *mailboxes = json_object_get(move, "mailboxes"), *m;
	size_t i, lines = 1, width = widest(mailboxes, "address");
	struct buf line = BUF_INIT(64 * 1024);
	headline(move, first, &line);
	print_line(&line, columns);
	json_array_foreach(mailboxes, i, m) {
		if (lines >= max)
			break;
		mailbox_line(m, width, &line);
		print_line(&line, columns);
		lines++;
	}
	buf_fini(&line);
	return lines;
}

static bool is_over(const json_t *move)
{
	return strcmp(text(move, "state"), "running") != 0;
}

static int outcome(const json_t *move)
{
	const char *state = text(move, "state");
	uintmax_t all = number(move, "mailboxes_total");
	if (!strcmp(state, "failed"))
		return cli_refuse(all == 1 ? "%ju of %ju mailbox could not be copied" :
					     "%ju of %ju mailboxes could not be copied",
				  (uintmax_t)number(move, "mailboxes_failed"), all);
	return CLI_DONE;
}

static void line_when_changed(const json_t *move, const struct sample *first, uint64_t *last)
{
	struct buf line = BUF_INIT(4096);
	uint64_t now = number(move, "messages_done") + number(move, "mailboxes_done") + 1;
	if (now != *last || is_over(move)) {
		headline(move, first, &line);
		puts(buf_cstr(&line));
		fflush(stdout);
	}
	*last = now;
	buf_fini(&line);
}

static int watch(struct cli *c, const struct api_op *op, struct cli_args *args)
{
	bool tty = isatty(STDOUT_FILENO);
	struct sample first = { 0 };
	size_t lines = 0;
	uint64_t last = 0;
	for (;;) {
		json_t *move = NULL;
		int code = cli_request(c, op, args, &move);
		if (code)
			return code;
		if (!first.ms)
			first = (struct sample){ clock_mono_ms(), number(move, "messages_done"),
						 number(move, "bytes_new") };
		if (tty && lines)
			printf("\033[%zuA\033[J", lines);
		if (tty)
			lines = draw(move, &first, cli_terminal().ws_row - 2u, cli_terminal().ws_col);
		else if (c->json)
			show_json(move);
		else
			line_when_changed(move, &first, &last);
		fflush(stdout);
		bool over = is_over(move);
		code = over ? outcome(move) : CLI_DONE;
		json_decref(move);
		if (over)
			return code;
		nanosleep(&(struct timespec){ .tv_nsec = WATCH_MS * 1000000L }, NULL);
	}
}

static void show_proof(const json_t *proof)
{
	size_t i, k;
	json_t *m, *f;
	uintmax_t there = number(proof, "messages_there");
	printf(there == 1 ? T_("%s: %s, %ju message there, %ju of them here, %ju missing\n") :
			    T_("%s: %s, %ju messages there, %ju of them here, %ju missing\n"),
	       text(proof, "domain"), word_said(text(proof, "state")), there, (uintmax_t)number(proof, "messages_here"),
	       (uintmax_t)number(proof, "messages_missing"));
	json_array_foreach(json_object_get(proof, "mailboxes"), i, m) {
		struct buf line = BUF_INIT(4096);
		show_safe(slice_str(text(m, "address")), &line);
		buf_printf(&line, "  %s  ", word_said(text(m, "state")));
		show_safe(slice_str(text(m, "error")), &line);
		printf("  %s\n", buf_cstr(&line));
		size_t width = widest(json_object_get(m, "folders"), "name");
		json_array_foreach(json_object_get(m, "folders"), k, f) {
			buf_clear(&line);
			put_padded(text(f, "name"), width, &line);
			printf(T_("    %s  %ju there, %ju here, %ju missing\n"), buf_cstr(&line),
			       (uintmax_t)number(f, "there"), (uintmax_t)number(f, "here"),
			       (uintmax_t)number(f, "missing"));
		}
		buf_fini(&line);
	}
}

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	draw(result, NULL, LINES_MAX, 0);
	return true;
}

/* The instance answers when all is compared, or after minutes with "running": then it is asked
 * again. */
static int prove(struct cli *c, const struct api_op *op, struct cli_args *args)
{
	for (;;) {
		json_t *proof = NULL;
		int code = cli_request(c, op, args, &proof);
		bool over = !code && is_over(proof);
		bool complete = json_is_true(json_object_get(proof, "complete"));
		if (over && c->json)
			show_json(proof);
		else if (over)
			show_proof(proof);
		json_decref(proof);
		if (code)
			return code;
		if (over)
			return complete ? CLI_DONE
					: cli_refuse("not everything of the old server is here");
	}
}

static int run(struct cli *c, const struct api_op *op, struct cli_args *args)
{
	if (!args->extra[0] && !strcmp(op->name, "move.proof"))
		return prove(c, op, args);
	if (!args->extra[0])
		return cli_op_run(c, op, &noun_move, args);
	if (strcmp(op->name, "move.status"))
		return cli_usage("--watch belongs to move status");
	return watch(c, op, args);
}

static const char *const extra[] = { "--watch", N_("go on showing until the copy ends"), NULL, NULL };

const struct cli_noun noun_move = {
	.name = "move",
	.help = N_("copying a domain's mail from its old server"),
	.show = show,
	.extra = extra,
	.run = run,
};
