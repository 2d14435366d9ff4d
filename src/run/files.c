/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor reads and makes in the instance's folder. */
#include "run/supervisor_priv.h"

#include "base/err.h"
#include "base/text.h"
#include "lib/ipc/memfd.h"
#include "lib/tls/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { FILE_MAX = 1 << 20, PATH_SPACE = 4096, LOCK_WAIT_MS = 10000 };

static int read_file(const char *dir, const char *name, struct buf *out, struct buf *error)
{
	char path[PATH_SPACE];
	if (*name == '/')
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	if (fd < 0) {
		err = -errno;
		buf_printf(error, "%s: %s", path, err_said(err));
		return err;
	}
	for (;;) {
		uint8_t *at = buf_reserve(out, 4096);
		ssize_t n = at ? read(fd, at, 4096) : 0;
		if (n < 0)
			err = -errno;
		if (!at)
			err = ERR_TOO_BIG;
		if (n <= 0)
			break;
		buf_added(out, (size_t)n);
	}
	close(fd);
	if (err < 0)
		buf_printf(error, "%s: %s", path, err_said(err));
	return err;
}

int files_conf(const char *dir, struct conf **ret, int *ret_fd, struct buf *error)
{
	char path[PATH_SPACE];
	struct buf text = BUF_INIT(FILE_MAX);
	struct conf *conf = NULL;
	int err = read_file(dir, "postern.conf", &text, error);
	snprintf(path, sizeof(path), "%s/postern.conf", dir);
	if (err == 0)
		err = conf_parse(buf_view(&text), path, &conf, error);
	if (err == 0)
		err = memfd_of("postern.conf", buf_view(&text), ret_fd);
	buf_fini(&text);
	if (err < 0)
		conf_free(&conf);
	else
		*ret = conf;
	return err;
}

/* Certificate and key are tried before anybody gets them: a half-written or mismatched pair changes nothing. */
int files_tls(const char *dir, const struct conf *conf, int *ret_fd, struct buf *error)
{
	struct tls_ctx *ctx = NULL;
	struct buf pem = BUF_INIT(FILE_MAX);
	const char *cert = conf_str(conf, "tls.certificate"), *key = conf_str(conf, "tls.key");
	int err = read_file(dir, cert, &pem, error);
	if (err == 0)
		err = read_file(dir, key, &pem, error);
	if (err == 0) {
		err = tls_server_new(buf_view(&pem), &ctx);
		if (err < 0)
			buf_printf(error, err == ERR_INVALID ? T_("%s is not the key of %s") : T_("%s or %s is not PEM"), key, cert);
		tls_unref(&ctx);
	}
	if (err == 0)
		err = memfd_of("tls", buf_view(&pem), ret_fd);
	if (pem.p)
		explicit_bzero(pem.p, pem.n);
	buf_fini(&pem);
	return err;
}

int files_lock(const char *dir, int *ret_fd, struct buf *error)
{
	char path[PATH_SPACE], pid[32];
	snprintf(path, sizeof(path), "%s/run", dir);
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		buf_printf(error, "%s: %s", path, err_said(-errno));
		return -errno;
	}
	snprintf(path, sizeof(path), "%s/run/postern.pid", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		buf_printf(error, "%s: %s", path, err_said(-errno));
		return -errno;
	}
	/* Rooms of a supervisor that was killed notice its end and go; wait for the last of them. */
	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += 50) {
		if (waited >= LOCK_WAIT_MS) {
			buf_printf(error, T_("%s is locked: this instance is running already"), path);
			close(fd);
			return ERR_CONFLICT;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
		buf_printf(error, "%s: %s", path, err_said(-errno));
		close(fd);
		return ERR_FULL;
	}
	*ret_fd = fd;
	return ERR_OK;
}

void files_remove_pid(const char *dir)
{
	char path[PATH_SPACE];
	snprintf(path, sizeof(path), "%s/run/postern.pid", dir);
	IGNORE(truncate(path, 0) < 0, "a stale pid is harmless: the lock decides");
}

static uid_t give_uid;
static gid_t give_gid;

static int give(const char *path, const struct stat *st, int type UNUSED, struct FTW *ftw UNUSED)
{
	if (st->st_uid == give_uid)
		return 0;
	return lchown(path, give_uid, give_gid) < 0 ? -errno : 0;
}

/* As root, what a room opens after it became user must be that user's. */
static int give_to_user(const char *path, const char *user, struct buf *error)
{
	if (geteuid() != 0 || !*user)
		return ERR_OK;
	const struct passwd *pw = getpwnam(user);
	if (!pw) {
		buf_printf(error, T_("run.user: there is no user \"%s\" on this machine"), user);
		return ERR_NOT_FOUND;
	}
	give_uid = pw->pw_uid;
	give_gid = pw->pw_gid;
	int err = nftw(path, give, 16, FTW_PHYS);
	if (err < 0)
		buf_printf(error, T_("%s: cannot be given to %s: %s"), path, user, err_said(err));
	return err < 0 ? err : ERR_OK;
}

int files_data(const char *dir, const char *name, const char *user, struct buf *error)
{
	char path[PATH_SPACE];
	for (int deep = 0; deep < 2; deep++) {
		snprintf(path, sizeof(path), deep ? "%s/data/%s" : "%s/data", dir, name);
		/* 0711 above, so that a room's own user can pass through to its folder. */
		if (mkdir(path, deep ? 0700 : 0711) < 0 && errno != EEXIST) {
			buf_printf(error, "%s: %s", path, err_said(-errno));
			return -errno;
		}
	}
	return give_to_user(path, user, error);
}

uint64_t files_next_epoch(const char *dir)
{
	char path[PATH_SPACE];
	struct buf text = BUF_INIT(64), error = BUF_INIT(1024);
	uint64_t epoch = 0;
	if (read_file(dir, "run/epoch", &text, &error) == 0)
		IGNORE(slice_u64(slice_trim(buf_view(&text)), UINT64_MAX - 1, &epoch) < 0, "counts anew");
	buf_clear(&text);
	buf_u64(&text, ++epoch);
	snprintf(path, sizeof(path), "%s/run/epoch", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0) {
		IGNORE(write(fd, text.p, text.n) < 0, "only a number for logs");
		close(fd);
	}
	buf_fini(&text);
	buf_fini(&error);
	return epoch;
}
