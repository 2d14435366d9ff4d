/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock by system call (Debian 12's libc has no wrapper). All access rights that the kernel's ABI
 * knows are handled, so that each is refused unless a rule grants it; the one rule that there can be
 * grants everything under the room's own folder.
 */
#include "lib/sandbox/sandbox_priv.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>

/* Rights that came after ABI 1; the header may be older than the kernel. */
#define FS_REFER (1ull << 13)
#define FS_TRUNCATE (1ull << 14)
#define FS_IOCTL_DEV (1ull << 15)
#define NET_BIND_TCP (1ull << 0)
#define NET_CONNECT_TCP (1ull << 1)

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	return abi > 0 ? (int)abi : 0;
}

static uint64_t fs_rights(int abi)
{
	uint64_t rights = (1ull << 13) - 1;
	if (abi >= 2)
		rights |= FS_REFER;
	if (abi >= 3)
		rights |= FS_TRUNCATE;
	if (abi >= 5)
		rights |= FS_IOCTL_DEV;
	return rights;
}

static int allow_folder(int ruleset, const char *disk, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights };
	rule.parent_fd = open(disk, O_PATH | O_CLOEXEC | O_DIRECTORY);
	if (rule.parent_fd < 0)
		return -errno;
	long err = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	int saved = errno;
	close(rule.parent_fd);
	return err < 0 ? -saved : 0;
}

int landlock_enter(unsigned what, const char *disk)
{
	int abi = landlock_abi();
	if (!abi)
		return -ENOSYS;
	struct ruleset_attr attr = { .fs = fs_rights(abi) };
	if (abi >= 4)
		attr.net = what & SANDBOX_CONNECT ? NET_BIND_TCP : NET_BIND_TCP | NET_CONNECT_TCP;
	size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return -errno;
	int err = what & SANDBOX_DISK ? allow_folder(ruleset, disk, attr.fs) : 0;
#ifdef __SANITIZE_ADDRESS__
	if (!err)
		err = allow_folder(ruleset, "/proc", 1ull << 2); /* a report reads its own maps */
#endif
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		err = -errno;
	close(ruleset);
	return err;
}
