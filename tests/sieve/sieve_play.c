/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a script over a message, for tests that others wrote: sieve_play SCRIPT [MESSAGE FROM TO [PERSONAL GLOBAL]], the last
 * two are folders of scripts to include. One line: "ok" or the error of the compiler; with a message, what comes of it.
 */
#include "base/err.h"
#include "proto/sieve/testing.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { SCRIPTS = 200 };

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

int main(int argc, char **argv)
{
	static struct slice personal[2 * SCRIPTS], global[2 * SCRIPTS];
	struct sieve_fake f;
	if (argc != 2 && argc != 5 && argc != 7)
		return 2;
	fake_init(&f);
	struct slice script = read_file(f.arena, argv[1]);
	if (argc == 2) {
		struct sieve_script *compiled;
		struct sieve_error why;
		int r = sieve_compile(f.arena, script, &compiled, &why);
		if (r < 0)
			sieve_error_text(&why, NULL, &f.text);
		puts(r < 0 ? buf_cstr(&f.text) : "ok");
	} else {
		f.library = personal;
		f.n_library = read_folder(f.arena, argc == 7 ? argv[5] : NULL, personal);
		f.global = global;
		f.n_global = read_folder(f.arena, argc == 7 ? argv[6] : NULL, global);
		f.env.sender = slice_str(argv[3]);
		f.env.recipient = slice_str(argv[4]);
		f.env.own = &f.env.recipient;
		puts(fake_run(&f, &script, 1, read_file(f.arena, argv[2])));
	}
	fake_fini(&f);
	return 0;
}
