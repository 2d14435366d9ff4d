/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allow-list of system calls. What every event loop needs stands in `common`; accepting, connecting
 * and files come on top where the policy says so. Anything else fails with EPERM, so that a library
 * that probes for a feature goes on without it; starting a program, tracing and loading code kill.
 *
 * All rooms are of one user, so what the kernel lets a process do to others of its user counts here: signals (sent, or asked
 * for as the owner of a descriptor) and limits go to oneself only, and a datagram socket, which could be sent from to any
 * address, is not to be had as a pair.
 */
#include "lib/sandbox/sandbox_priv.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

static const int common[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(lseek), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3),
	SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg),
	SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getpeername), SCMP_SYS(getsockname),
	SCMP_SYS(sendfile), SCMP_SYS(splice),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(select), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(pipe2),
	SCMP_SYS(ftruncate), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect),
	SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex), SCMP_SYS(getrandom), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getcwd), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrusage),
	SCMP_SYS(getrlimit), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sigaltstack),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier),
};

static const int disk[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(mkdir), SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(fallocate), SCMP_SYS(fadvise64),
	SCMP_SYS(getdents64), SCMP_SYS(fchmod), SCMP_SYS(fchown), SCMP_SYS(flock), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(fstatfs),
	SCMP_SYS(statfs), SCMP_SYS(copy_file_range), SCMP_SYS(utimensat),
};

#ifdef __SANITIZE_ADDRESS__
/* The sanitizers' own needs at a report or at exit: they read /proc and start a tracer for leaks. */
static const int sanitizer[] = { SCMP_SYS(openat), SCMP_SYS(readlink), SCMP_SYS(getdents64), SCMP_SYS(prctl), SCMP_SYS(stat),
				 SCMP_SYS(access), SCMP_SYS(arch_prctl), SCMP_SYS(unlinkat) };
#endif

static const int deadly[] = { SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_writev),
			      SCMP_SYS(process_vm_readv), SCMP_SYS(init_module), SCMP_SYS(kexec_load), SCMP_SYS(bpf),
			      SCMP_SYS(mount), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(pivot_root), SCMP_SYS(chroot) };

static int allow(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
		if (err < 0)
			return err;
	}
	return 0;
}

static int allow_if(scmp_filter_ctx ctx, int call, unsigned arg, const int *values, size_t n)
{
	int err = 0;

	/* The kernel reads these as 32 bits, so the upper half says nothing. */
	for (size_t i = 0; !err && i < n; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1,
				       SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)(uint32_t)values[i]));
	return err;
}

/* Calls that are harmless with some arguments only. */
static int add_narrow(scmp_filter_ctx ctx)
{
	static const int commands[] = { F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK,
					F_SETLKW, F_ADD_SEALS, F_GET_SEALS };
	static const int requests[] = { FIONBIO, FIOCLEX, FIONREAD, TCGETS };
	static const int sealable[] = { MFD_CLOEXEC | MFD_ALLOW_SEALING };
	static const int pairs[] = { SOCK_STREAM, SOCK_SEQPACKET };
	const int own_limits[] = { 0 }, own_threads[] = { getpid() };
	int err = allow_if(ctx, SCMP_SYS(fcntl), 1, commands, ARRAY_SIZE(commands));

	if (!err)
		err = allow_if(ctx, SCMP_SYS(ioctl), 1, requests, ARRAY_SIZE(requests));
	if (!err)
		err = allow_if(ctx, SCMP_SYS(memfd_create), 1, sealable, ARRAY_SIZE(sealable));
	if (!err)
		err = allow_if(ctx, SCMP_SYS(prlimit64), 0, own_limits, 1);
	if (!err)
		err = allow_if(ctx, SCMP_SYS(tgkill), 0, own_threads, 1);
	for (size_t i = 0; !err && i < ARRAY_SIZE(pairs); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, (scmp_datum_t)pairs[i]));
	return err;
}

static int add_sockets(scmp_filter_ctx ctx, unsigned what)
{
	int err = 0;
	if (what & SANDBOX_ACCEPT) {
		static const int calls[] = { SCMP_SYS(accept), SCMP_SYS(accept4) };
		err = allow(ctx, calls, ARRAY_SIZE(calls));
	}
	if (!err && (what & SANDBOX_CONNECT)) {
		/* TCP and UDP over IP only: no unix, netlink or packet sockets. c-ares binds its UDP sockets. */
		static const int calls[] = { SCMP_SYS(connect), SCMP_SYS(bind) };
		err = allow(ctx, calls, ARRAY_SIZE(calls));
		static const int families[] = { AF_INET, AF_INET6 };
		for (size_t i = 0; !err && i < ARRAY_SIZE(families); i++)
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
					       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	}
	return err;
}

int seccomp_enter(unsigned what)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!ctx)
		return -ENOSYS;
	int err = allow(ctx, common, ARRAY_SIZE(common));
	if (!err && (what & SANDBOX_DISK))
		err = allow(ctx, disk, ARRAY_SIZE(disk));
#ifdef __SANITIZE_ADDRESS__
	if (!err)
		err = allow(ctx, sanitizer, ARRAY_SIZE(sanitizer));
#endif
	if (!err)
		err = add_narrow(ctx);
	if (!err)
		err = add_sockets(ctx, what);
	for (size_t i = 0; !err && i < ARRAY_SIZE(deadly); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}
