/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor binds, rooms accept: low ports need no privilege in a room, and a socket outlives the
 * room that served it, so that clients of a restarted room wait instead of being refused.
 */
#include "run/supervisor_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { BACKLOG = 1024 };

/* "127.0.0.1:25", "[::1]:25" */
static int parse_address(struct slice s, struct sockaddr_storage *ret, socklen_t *ret_n)
{
	char host[64];
	uint64_t port;
	struct sockaddr_storage ss = { 0 };
	size_t colon = s.n;
	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (!colon || slice_u64(slice_sub(s, colon, s.n), 65535, &port) < 0)
		return ERR_SYNTAX;
	struct slice name = slice_sub(s, 0, colon - 1);
	if (name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
		name = slice_sub(name, 1, name.n - 1);
	if (name.n >= sizeof(host))
		return ERR_SYNTAX;
	snprintf(host, sizeof(host), SLICE_FMT, SLICE_ARG(name));
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		*ret_n = sizeof(*v4);
	} else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*ret_n = sizeof(*v6);
	} else {
		return ERR_SYNTAX;
	}
	*ret = ss;
	return ERR_OK;
}

static int bind_tcp(struct slice address, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t n;
	int one = 1, err = parse_address(address, &ss, &n);
	if (err < 0)
		return err;
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&ss, n) < 0 || listen(fd, BACKLOG) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return ERR_OK;
}

static int bind_unix(const char *path, int *ret_fd)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	/* We hold the instance's lock: whatever lies there is a leftover. */
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	mode_t mask = umask(0177);
	int err = bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 || listen(fd, BACKLOG) < 0 ? -errno : ERR_OK;
	umask(mask);
	if (err < 0)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

static int bind_one(struct supervisor *sup, const struct topology_listener *what, struct slice address, struct buf *error)
{
	char path[4096];
	int fd = -1, err;
	snprintf(path, sizeof(path), SLICE_FMT, SLICE_ARG(address));
	if (what->is_unix && address.p[0] != '/')
		snprintf(path, sizeof(path), "%s/" SLICE_FMT, sup->dir, SLICE_ARG(address));
	if (sup->n_bound == LISTENERS_MAX)
		err = ERR_TOO_BIG;
	else
		err = what->is_unix ? bind_unix(path, &fd) : bind_tcp(address, &fd);
	if (err < 0) {
		buf_printf(error, T_("%s: cannot listen on %s: %s"), what->option, path,
			   err == -EADDRINUSE ? T_("the port is in use by another program") :
			   err == ERR_SYNTAX  ? T_("expected ADDRESS:PORT") :
						err_said(err));
		return err;
	}
	struct bound *b = &sup->bound[sup->n_bound++];
	b->what = what;
	b->fd = fd;
	snprintf(b->address, sizeof(b->address), "%.127s", path);
	return ERR_OK;
}

int listen_all(struct supervisor *sup, struct buf *error)
{
	int err = ERR_OK;
	for (size_t i = 0; i < topology_n_listeners && err == 0; i++) {
		const struct topology_listener *what = &topology_listeners[i];
		struct slice all = slice_str(conf_str(sup->conf, what->option));
		for (size_t at = 0; at < all.n && err == 0;) {
			size_t end = at;
			while (end < all.n && all.p[end] != ' ')
				end++;
			if (end > at)
				err = bind_one(sup, what, slice_sub(all, at, end), error);
			at = end + 1;
		}
	}
	while (err < 0 && sup->n_bound)
		close(sup->bound[--sup->n_bound].fd);
	return err;
}
