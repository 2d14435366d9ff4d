/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/sandbox_priv.h"

#include "base/err.h"
#include "base/event.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

int sandbox_drop_user(const char *user)
{
	if (geteuid() != 0 || !user || !*user)
		return ERR_OK;
	errno = 0;
	const struct passwd *pw = getpwnam(user);
	if (!pw)
		return errno ? -errno : ERR_NOT_FOUND;
	if (pw->pw_uid == 0)
		return ERR_INVALID;
	if (setgroups(0, NULL) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return -errno;
	bug_if(setuid(0) == 0); /* the way back must be closed */
	return ERR_OK;
}

static int set_limit(__rlimit_resource_t what, rlim_t value)
{
	struct rlimit limit;
	if (getrlimit(what, &limit) < 0)
		return -errno;
	if (limit.rlim_max != RLIM_INFINITY && value > limit.rlim_max)
		value = limit.rlim_max;
	limit = (struct rlimit){ value, value };
	return setrlimit(what, &limit) < 0 ? -errno : ERR_OK;
}

static int set_limits(const struct sandbox_policy *policy)
{
	int err = set_limit(RLIMIT_CORE, 0);
	if (!err && policy->nofile)
		err = set_limit(RLIMIT_NOFILE, policy->nofile);
#ifndef __SANITIZE_ADDRESS__
	if (!err && policy->memory)
		err = set_limit(RLIMIT_AS, policy->memory);
	/* No child process and no thread. (Leak checking starts a tracer.) */
	if (!err)
		err = set_limit(RLIMIT_NPROC, 0);
#endif
	return err;
}

int sandbox_enter(const struct sandbox_policy *policy, const char *disk)
{
	int err = set_limits(policy);
	if (err < 0)
		return err;
	prctl(PR_SET_DUMPABLE, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	err = landlock_enter(policy->allow, disk);
	if (err == -ENOSYS || err == -EOPNOTSUPP)
		ev(EV_WARN, "sandbox.landlock.absent", KS("reason", err_text(err)));
	else if (err < 0)
		return err;
	err = seccomp_enter(policy->allow);
	if (err < 0)
		ev(EV_ERROR, "sandbox.seccomp.failed", KS("reason", err_text(err)));
	return err;
}

/* ---- trials ---- */

static int try_open(void)
{
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int try_create(void)
{
	int fd = open("/tmp/postern-sandbox-trial", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	close(fd);
	unlink("/tmp/postern-sandbox-trial");
	return 0;
}

static int try_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	int err = connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
	close(fd);
	return err == ECONNREFUSED ? 0 : err;
}

static int try_listen(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	int err = bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 1) < 0 ? errno : 0;
	close(fd);
	return err;
}

static int try_unix(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int try_fork(void)
{
	pid_t pid = fork();
	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(0);
	return 0;
}

static int try_uid(void)
{
	return setuid(0) < 0 ? errno : 0;
}

static int try_kill(void)
{
	int fds[2], err = 0;
	if (kill(getppid(), 0) == 0 || syscall(SYS_tgkill, getppid(), getppid(), 0) == 0)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return errno;
	err = fcntl(fds[0], F_SETOWN, getppid()) < 0 ? errno : 0;
	close(fds[0]);
	close(fds[1]);
	return err;
}

static int try_limits(void)
{
	struct rlimit limit;
	return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit) < 0 ? errno : 0;
}

size_t sandbox_try(struct sandbox_trial *ret, size_t max)
{
	static const struct {
		const char *what;
		int (*fn)(void);
	} trials[] = {
		{ "open", try_open }, { "create", try_create }, { "connect", try_connect }, { "listen", try_listen },
		{ "unix-socket", try_unix }, { "fork", try_fork }, { "setuid", try_uid }, { "signal", try_kill },
		{ "limits", try_limits },
	};
	size_t n = 0;
	for (; n < ARRAY_SIZE(trials) && n < max; n++)
		ret[n] = (struct sandbox_trial){ trials[n].what, trials[n].fn() };
	return n;
}

const char *sandbox_features(void)
{
	static char text[64];
	snprintf(text, sizeof(text), "landlock abi %d, seccomp %s", landlock_abi(),
		 prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 ? "yes" : "no");
	return text;
}
