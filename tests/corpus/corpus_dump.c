/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Postern says of messages, for tests/corpus. Standard input: "SIZE\n" and so many bytes,
 * again and again. Output for each: a line of JSON with numbers (offsets of parts, flags), then
 * "ENVELOPE ...", "BODY ..." and "BODYSTRUCTURE ..." each as "SIZE\n" and its bytes. With --bench
 * FILE COUNT: the mean time of a digest, and of its rendering.
 */
#include "base/arena.h"
#include "proto/imap/render.h"
#include "proto/mail/charset.h"
#include "proto/mail/digest.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { OUT_MAX = 4 << 20 };

static void put(struct buf *b)
{
	bug_if(!buf_ok(b));
	printf("%zu\n", b->n);
	fwrite(b->p, 1, b->n, stdout);
	buf_clear(b);
}

static void put_json(const Postern__Digest *d)
{
	printf("{\"size\": %llu, \"flags\": %u, \"packed\": %zu, \"date_ms\": %lld, \"text\": %zu, "
	       "\"received\": %u, \"from_domain\": \"%.*s\", \"references\": %zu, \"parts\": [",
	       (unsigned long long)d->size, d->flags, postern__digest__get_packed_size(d),
	       (long long)d->date_ms, d->text.len, d->received_count, (int)d->from_domain.len,
	       d->from_domain.data ? (const char *)d->from_domain.data : "", d->n_references);
	for (size_t i = 0; i < d->n_parts; i++) {
		const Postern__DigestPart *p = d->parts[i];
		printf("%s[%u, %llu, %llu, %llu, %llu, %u]", i ? ", " : "", p->parent,
		       (unsigned long long)p->header_start, (unsigned long long)p->body_start,
		       (unsigned long long)p->body_end, (unsigned long long)p->body_lines,
		       p->flags);
	}
	printf("]}\n");
}

static void dump(struct slice message)
{
	struct arena *arena = arena_new();
	Postern__Digest *made = digest_make(arena, message), *d = NULL;
	size_t n = postern__digest__get_packed_size(made);
	uint8_t *packed = arena_alloc(arena, n);
	postern__digest__pack(made, packed);
	bug_if(digest_unpack(slice_of(packed, n), &d) < 0);
	struct buf out = BUF_INIT(OUT_MAX);
	put_json(d);
	imap_render_envelope(&out, d->envelope, false);
	put(&out);
	imap_render_bodystructure(&out, d, false);
	put(&out);
	imap_render_bodystructure(&out, d, true);
	put(&out);
	buf_fini(&out);
	postern__digest__free_unpacked(d, NULL);
	arena_free(&arena);
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int bench(const char *path, uint64_t count)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return 1;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	bug_if(p == MAP_FAILED);
	struct slice message = slice_of(p, (size_t)st.st_size);
	double digest = 0, render = 0;
	size_t parts = 0, packed = 0;
	struct buf out = BUF_INIT(OUT_MAX);
	for (uint64_t i = 0; i < count; i++) {
		struct arena *arena = arena_new();
		double t0 = seconds();
		Postern__Digest *d = digest_make(arena, message);
		double t1 = seconds();
		imap_render_envelope(&out, d->envelope, false);
		imap_render_bodystructure(&out, d, true);
		digest += t1 - t0;
		render += seconds() - t1;
		parts = d->n_parts;
		packed = postern__digest__get_packed_size(d);
		arena_free(&arena);
		buf_clear(&out);
	}
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	printf("%zu bytes, %zu parts: digest %.1f us, rendering %.1f us, packed %zu bytes, peak "
	       "%ld KiB\n",
	       message.n, parts, digest / (double)count * 1e6, render / (double)count * 1e6, packed,
	       ru.ru_maxrss);
	buf_fini(&out);
	munmap(p, message.n);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t count = 0;
	charset_preload();
	if (argc == 4 && strcmp(argv[1], "--bench") == 0 &&
	    slice_u64(slice_str(argv[3]), 1000000, &count) == 0)
		return bench(argv[2], count);
	char line[32];
	while (fgets(line, sizeof(line), stdin)) {
		struct slice digits = slice_trim(slice_str(line));
		uint64_t n;
		if (slice_u64(digits, 1u << 30, &n) < 0)
			return 2;
		uint8_t *message = malloc(n ? n : 1);
		bug_if(!message);
		if (fread(message, 1, n, stdin) != n)
			return 2;
		dump(slice_of(message, n));
		free(message);
		fflush(stdout);
	}
	return 0;
}
