/* SPDX-License-Identifier: Apache-2.0 */
/* postern run, and its end from elsewhere: stop signals the supervisor and waits until it has let
 * go of its lock. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/err.h"
#include "run/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { STOP_MS = 60 * 1000, PATH_SPACE = 4096 };

int cli_run(struct cli *c)
{
	if (c->n > 1)
		return cli_usage("\"%s\" is one word too many; usage: postern run DIR",
				 c->words[1]);
	const char *dir = c->n ? c->words[0] : cli_dir(c);
	if (!dir)
		return CLI_USAGE;
	return supervisor_main(dir);
}

static int read_pid(const char *dir, pid_t *ret)
{
	char path[PATH_SPACE], text[32];
	uint64_t pid;
	snprintf(path, sizeof(path), "%s/run/postern.pid", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, sizeof(text));
	close(fd);
	if (n <= 0)
		return ERR_NOT_FOUND;
	int err = slice_u64(slice_trim(slice_of(text, (size_t)n)), INT32_MAX, &pid);
	if (err == 0 && pid > 1)
		*ret = (pid_t)pid;
	return err;
}

int cli_stop(struct cli *c)
{
	pid_t pid = 0;
	const char *dir = cli_dir(c);
	if (!dir)
		return CLI_USAGE;
	if (c->n)
		return cli_usage("\"%s\" is one word too many", c->words[0]);
	if (!cli_is_running(dir) || read_pid(dir, &pid) < 0 || pid == 0)
		return cli_refuse("no instance runs in %s", dir);
	if (kill(pid, SIGTERM) < 0)
		return cli_refuse("process %d: %s", (int)pid, err_said(-errno));
	for (int64_t end = clock_mono_ms() + STOP_MS; cli_is_running(dir);) {
		if (clock_mono_ms() > end)
			return cli_refuse("process %d has not stopped in %d s", (int)pid,
					  STOP_MS / 1000);
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	puts(c->json ? "{}" : T_("stopped"));
	return CLI_DONE;
}
