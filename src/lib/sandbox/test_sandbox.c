/* SPDX-License-Identifier: Apache-2.0 */
/* Each case enters the sandbox in a child and says by its exit code what was possible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "lib/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The bits that the child found possible, as its exit code; -signal where it was killed. */
static int in_child(void (*fn)(void), unsigned allow)
{
	struct sandbox_policy policy = { .allow = allow };
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_enter(&policy, ".") < 0)
			_exit(99);
		fn();
		_exit(98);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

enum { CAN_OPEN = 1, CAN_CREATE = 2, CAN_CONNECT = 4, CAN_LISTEN = 8, CAN_UNIX = 16, CAN_FORK = 32, CAN_OWN = 64 };

static void look(void)
{
	struct sandbox_trial trials[16];
	int can = 0;
	size_t n = sandbox_try(trials, ARRAY_SIZE(trials));
	for (size_t i = 0; i < n && i < 6; i++)
		if (trials[i].err == 0)
			can |= 1 << i;
	int fd = open("own-file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 && fdatasync(fd) == 0 && rename("own-file", "own-file.2") == 0 && unlink("own-file.2") == 0)
		can |= CAN_OWN;
	_exit(can);
}

static void exec_program(void)
{
	char *const argv[] = { (char *)"true", NULL };
	execve("/bin/true", argv, NULL);
}

static void trace_parent(void)
{
	ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static void powers(void **state)
{
	char dir[] = "/tmp/postern-sandbox-XXXXXX";
	assert_non_null(mkdtemp(dir));
	int was = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(was >= 0);
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(in_child(look, 0), 0);
	assert_int_equal(in_child(look, SANDBOX_ACCEPT), 0);
	assert_int_equal(in_child(look, SANDBOX_CONNECT), CAN_CONNECT);
	assert_int_equal(in_child(look, SANDBOX_DISK), CAN_OWN);
	assert_int_equal(fchdir(was), 0);
	close(was);
	assert_int_equal(rmdir(dir), 0);
}

static void deadly(void **state)
{
	assert_int_equal(in_child(exec_program, SANDBOX_DISK), -SIGSYS);
	assert_int_equal(in_child(trace_parent, 0), -SIGSYS);
}

static bool refused(bool failed)
{
	return failed && errno == EPERM;
}

/* What could reach others of the same user: 0 nothing, else the number of what did. */
static void reach_others(void)
{
	struct rlimit limit = { 0 };
	int fds[2], pid = getppid();
	if (pipe2(fds, O_CLOEXEC) < 0)
		_exit(90);
	_exit(!refused(kill(pid, 0) < 0) ? 1 :
	      !refused(syscall(SYS_tgkill, pid, pid, 0) < 0) ? 2 :
	      !refused(prlimit(pid, RLIMIT_NOFILE, NULL, &limit) < 0) ? 3 :
	      !refused(fcntl(fds[0], F_SETOWN, pid) < 0) ? 4 :
	      !refused(fcntl(fds[0], F_SETSIG, SIGKILL) < 0) ? 5 :
	      !refused(ioctl(fds[0], FIOSETOWN, &pid) < 0) ? 6 :
	      !refused(ioctl(fds[0], SIOCSPGRP, &pid) < 0) ? 7 :
	      !refused(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) < 0) ? 8 :
	      !refused(syscall(SYS_memfd_create, "huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB) < 0) ? 9 : 0);
}

static void help_oneself(void)
{
	struct rlimit limit;
	int fds[2], on = 1;
	_exit(getrlimit(RLIMIT_NOFILE, &limit) < 0 ? 1 :
	      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ? 2 :
	      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ? 3 :
	      fcntl(fds[0], F_SETFL, fcntl(fds[0], F_GETFL) | O_NONBLOCK) < 0 ? 4 :
	      ioctl(fds[0], FIONBIO, &on) < 0 ? 5 :
	      memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING) < 0 ? 6 : 0);
}

static void fail_loudly(void)
{
	raise(SIGTERM);	/* as abort does it; that would write a report here */
}

static void neighbours(void **state)
{
	assert_int_equal(in_child(reach_others, SANDBOX_CONNECT), 0);
	assert_int_equal(in_child(reach_others, SANDBOX_DISK), 0);
	assert_int_equal(in_child(help_oneself, 0), 0);
	assert_int_equal(in_child(fail_loudly, 0), -SIGTERM);
}

static void user_must_exist(void **state)
{
	if (geteuid() != 0) {
		assert_int_equal(sandbox_drop_user("no-such-user-here"), 0); /* not root: nothing to give away */
		return;
	}
	assert_int_equal(sandbox_drop_user("no-such-user-here"), ERR_NOT_FOUND);
	assert_int_equal(sandbox_drop_user("root"), ERR_INVALID);
	assert_int_equal(sandbox_drop_user(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(powers),
		cmocka_unit_test(deadly),
		cmocka_unit_test(neighbours),
		cmocka_unit_test(user_must_exist),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
