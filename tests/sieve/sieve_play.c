/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a script over a message, for tests that others wrote:
 *
 *     sieve_play [-m MAILBOX]... [-s SCRIPT]... [-p PERSONAL] [-g GLOBAL] SCRIPT [MESSAGE FROM TO]
 *
 * -m: it is there; -s: runs behind SCRIPT; -p, -g: folders of scripts to include. One line: "ok" or the error of the
 * compiler; with a message, what comes of it.
 */
#include "base/err.h"
#include "proto/sieve/testing.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SCRIPTS = 200, RUN_MAX = 8, MAILBOXES_MAX = 32 };

static struct slice mailboxes[MAILBOXES_MAX];
static size_t n_mailboxes;

static struct slice read_file(struct arena *a, const char *path)
{
	struct buf text = BUF_INIT(16 << 20);
	uint8_t some[4096];
	FILE *f = fopen(path, "rb");
	for (size_t n; f && (n = fread(some, 1, sizeof(some), f)) > 0;)
		buf_append(&text, some, n);
	if (f)
		fclose(f);
	struct slice s = arena_dup(a, buf_view(&text));
	buf_fini(&text);
	return s;
}

static size_t read_folder(struct arena *a, const char *path, struct slice *rows)
{
	size_t n = 0;
	DIR *d = path ? opendir(path) : NULL;
	for (struct dirent *e; d && (e = readdir(d)) && n + 2 <= 2 * SCRIPTS;) {
		struct slice name = slice_str(e->d_name);
		if (name.n < 7 || memcmp(name.p + name.n - 6, ".sieve", 6))
			continue;
		rows[n++] = arena_dup(a, slice_sub(name, 0, name.n - 6));
		rows[n++] = read_file(a, arena_printf(a, "%s/%s", path, e->d_name));
	}
	if (d)
		closedir(d);
	return n;
}

static int is_there(void *ctx, struct slice name)
{
	for (size_t i = 0; i < n_mailboxes; i++)
		if (slice_eq(mailboxes[i], name))
			return 1;
	return 0;
}

static void compile_only(struct sieve_fake *f, struct slice script)
{
	struct sieve_script *compiled;
	struct sieve_error why;
	int r = sieve_compile(f->arena, script, &compiled, &why);
	if (r < 0)
		sieve_error_text(&why, NULL, &f->text);
	puts(r < 0 ? buf_cstr(&f->text) : "ok");
}

static struct slice scripts[RUN_MAX];
static size_t n_scripts = 1;	/* the first is the argument */

static bool take_option(struct sieve_fake *f, int option, const char *value)
{
	static struct slice personal[2 * SCRIPTS], global[2 * SCRIPTS];
	switch (option) {
	case 'm':
		if (n_mailboxes < MAILBOXES_MAX)
			mailboxes[n_mailboxes++] = slice_str(value);
		return true;
	case 's':
		if (n_scripts < RUN_MAX)
			scripts[n_scripts++] = read_file(f->arena, value);
		return true;
	case 'p':
		f->library = personal;
		f->n_library = read_folder(f->arena, value, personal);
		return true;
	case 'g':
		f->global = global;
		f->n_global = read_folder(f->arena, value, global);
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	struct sieve_fake f;
	fake_init(&f);
	f.env.mailbox = is_there;
	for (int c; (c = getopt(argc, argv, "m:s:p:g:")) != -1;)
		if (!take_option(&f, c, optarg))
			return 2;
	argv += optind;
	argc -= optind;
	if (argc != 1 && argc != 4)
		return 2;
	scripts[0] = read_file(f.arena, argv[0]);
	if (argc == 1) {
		compile_only(&f, scripts[0]);
	} else {
		f.env.sender = slice_str(argv[2]);
		f.env.recipient = slice_str(argv[3]);
		f.env.own = &f.env.recipient;
		puts(fake_run(&f, scripts, n_scripts, read_file(f.arena, argv[1])));
	}
	fake_fini(&f);
	return 0;
}
