/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a segment file: opened by scan, scanned, each record that is found read; nothing may go wrong. */
#include "base/err.h"
#include "lib/blob/record.h"

#include <fcntl.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct blob_log *the_log;

static int read_it(void *ctx, const struct blob_record *r)
{
	struct buf out = BUF_INIT(1 << 20);
	struct blob_record again;
	int err = blob_read_record(the_log, &r->addr, BLOB_WANT_META | BLOB_WANT_HEADER | BLOB_WANT_BODY, &again, &out);

	bug_if(err == 0 && (again.meta.n != r->meta.n || again.sequence != r->sequence));
	buf_fini(&out);
	return 0;
}

static void damage(void *ctx, uint32_t segment, uint64_t offset, const char *what)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char dir[] = "/tmp/fuzz_blob.XXXXXX";
	static bool made;
	struct record_head h;
	uint8_t again[MESSAGE_HEADER];

	if (record_decode(slice_of(data, size), &h) == 1) {
		record_encode(&h, again);
		bug_if(memcmp(data, again, record_header_size(h.kind)) != 0);
	}
	if (!made && (!mkdtemp(dir) || chdir(dir) < 0))
		abort();
	made = true;
	IGNORE(mkdir("log", 0700), "there from the second run on");
	int fd = open("log/00000001.seg", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	if (blob_open("log", 1 << 20, NULL, &the_log) == 0) {
		IGNORE(blob_scan(the_log, 1, read_it, damage, NULL), "damage is what this is about");
		blob_close(&the_log);
	}
	IGNORE(unlink("log/00000001.seg"), "made anew");
	IGNORE(rmdir("log"), "may hold more");
	return 0;
}
