/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postern init: a folder that `postern run` can run. postern.conf comes last, so that an init that
 * was cut short can be repeated, and a folder that has one is an instance and never touched. Keys
 * and data are readable by the owner only.
 */
#include "cli/cli.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/rng.h"
#include "lib/conf/conf.h"
#include "lib/tls/tls.h"
#include "proto/pass/random.h"

#include <argon2.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum {
	PATH_SPACE = 4096,
	FILE_SPACE = 1 << 20,
	CERTIFICATE_DAYS = 825,
	PORT_BASE_MAX = 65535 - 995,
	ARGON2_PASSES = 2,
	ARGON2_KIB = 19 * 1024,
};

struct init {
	const char *dir, *host;
	uint64_t port_base;
};

static int join(char *ret, const struct init *in, const char *name)
{
	if (snprintf(ret, PATH_SPACE, "%s/%s", in->dir, name) >= PATH_SPACE)
		return cli_refuse("%s: the path is too long", in->dir);
	return CLI_DONE;
}

static int sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

static int make_dir(const struct init *in, const char *name, mode_t mode)
{
	char path[PATH_SPACE];
	struct stat st;
	int code = join(path, in, name);
	if (code)
		return code;
	if (mkdir(path, mode) == 0)
		return CLI_DONE;
	int err = -errno;
	if (err == -EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return CLI_DONE;
	return cli_refuse("%s: %s", path, err_said(err));
}

static int write_all(int fd, struct slice s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : ERR_FULL;
		s = slice_sub(s, (size_t)n, s.n);
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Whole or not at all: written beside its place, synced, renamed. */
static int write_file(const struct init *in, const char *name, struct slice content, mode_t mode)
{
	char path[PATH_SPACE], temporary[PATH_SPACE + 8];
	int code = join(path, in, name);
	if (code)
		return code;
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	int err = fd < 0 ? -errno : write_all(fd, content);
	if (fd >= 0)
		close(fd);
	if (err == 0 && rename(temporary, path) < 0)
		err = -errno;
	if (err < 0 && fd >= 0)
		unlink(temporary);
	if (err == 0) {
		*strrchr(temporary, '/') = 0;
		err = sync_dir(temporary);
	}
	return err < 0 ? cli_refuse("%s: %s", path, err_said(err)) : CLI_DONE;
}

/* tls_self_signed gives the certificate and, behind it, its key. */
static int make_certificate(const struct init *in)
{
	struct buf pem = BUF_INIT(FILE_SPACE);
	int code = CLI_REFUSED, err = tls_self_signed(in->host, CERTIFICATE_DAYS, &pem);
	ptrdiff_t end =
		err < 0 ? -1 : slice_find(buf_view(&pem), SLICE("-----END CERTIFICATE-----\n"), 0);
	if (end < 0) {
		cli_refuse("the certificate for %s could not be made: %s", in->host,
			   err_said(err < 0 ? err : ERR_INTERNAL));
	} else {
		size_t cut = (size_t)end + strlen("-----END CERTIFICATE-----\n");
		code = write_file(in, "tls/cert.pem", slice_sub(buf_view(&pem), 0, cut), 0644);
		if (!code)
			code = write_file(in, "tls/key.pem", slice_sub(buf_view(&pem), cut, pem.n),
					  0600);
	}
	if (pem.p)
		explicit_bzero(pem.p, pem.cap);
	buf_fini(&pem);
	return code;
}

/* The provider's login, for directory to take over at its first start: "provider <hash>", never the
 * password. */
static int make_login(const struct init *in, char password[PASS_RANDOM_TEXT])
{
	char hash[256];
	uint8_t salt[16];
	struct buf line = BUF_INIT(1024);
	pass_random(password);
	rng_bytes(salt, sizeof(salt));
	if (argon2id_hash_encoded(ARGON2_PASSES, ARGON2_KIB, 1, password, strlen(password), salt,
				  sizeof(salt), 32, hash, sizeof(hash)) != ARGON2_OK)
		return cli_refuse("the provider's login could not be made");
	buf_printf(&line, "provider %s\n", hash);
	int code = write_file(in, "data/directory/first-login", buf_view(&line), 0600);
	buf_fini(&line);
	return code;
}

static int set(struct conf *conf, const char *name, const char *value)
{
	struct buf error = BUF_INIT(1024);
	int code = conf_set(conf, name, value, &error) < 0 ? cli_usage("%s", buf_cstr(&error))
							   : CLI_DONE;
	buf_fini(&error);
	return code;
}

static int fill_conf(const struct init *in, struct conf *conf)
{
	static const struct {
		const char *option;
		unsigned port;
	} ports[] = { { "smtp.listen", 25 },
		      { "submission.listen", 465 },
		      { "imap.listen", 993 },
		      { "pop3.listen", 995 },
		      { "sieve.listen", 4190 },
		      { "https.listen", 443 },
		      { "http.listen", 80 } };
	int code = set(conf, "host.name", in->host);
	for (size_t i = 0; i < ARRAY_SIZE(ports) && !code; i++) {
		char value[64];
		snprintf(value, sizeof(value), "127.0.0.1:%ju",
			 (uintmax_t)in->port_base + ports[i].port);
		code = set(conf, ports[i].option, value);
	}
	if (!code && in->port_base) {
		char url[512];
		snprintf(url, sizeof(url), "https://%s:%ju", in->host, (uintmax_t)in->port_base + 443);
		code = set(conf, "web.url", url);
	}
	return code;
}

static int make_conf(const struct init *in, const struct conf *conf)
{
	struct buf text = BUF_INIT(FILE_SPACE);
	conf_dump(conf, &text);
	int code = write_file(in, "postern.conf", buf_view(&text), 0644);
	buf_fini(&text);
	return code;
}

static int make_all(const struct init *in, const struct conf *conf, char password[PASS_RANDOM_TEXT])
{
	static const struct {
		const char *name;
		mode_t mode;
	} dirs[] = { { "", 0711 },
		     { "tls", 0700 },
		     { "run", 0711 },
		     { "data", 0711 },
		     { "data/directory", 0700 },
		     { "data/queue", 0700 },
		     { "data/store.0", 0700 } };
	int code = CLI_DONE;
	for (size_t i = 0; i < ARRAY_SIZE(dirs) && !code; i++)
		code = make_dir(in, dirs[i].name, dirs[i].mode);
	if (!code)
		code = make_certificate(in);
	if (!code)
		code = make_login(in, password);
	return code ? code : make_conf(in, conf);
}

static void tell(struct cli *c, const struct init *in, const struct conf *conf,
		 const char *password)
{
	if (c->json) {
		json_t *o = json_pack("{s:s, s:s, s:{s:s, s:s}}", "dir", in->dir, "host", in->host,
				      "provider", "login", "provider", "password", password);
		show_json(o);
		json_decref(o);
		return;
	}
	printf(T_("A new instance is in %s\n\n"), in->dir);
	printf("  SMTP        %s\n  submission  %s (TLS)\n  IMAP        %s (TLS)\n  POP3        %s "
	       "(TLS)\n  ManageSieve %s (STARTTLS)\n  HTTPS       %s\n\n",
	       conf_str(conf, "smtp.listen"), conf_str(conf, "submission.listen"),
	       conf_str(conf, "imap.listen"), conf_str(conf, "pop3.listen"),
	       conf_str(conf, "sieve.listen"), conf_str(conf, "https.listen"));
	printf(T_("  the provider's login: provider\n  its password:         %s\n\n"), password);
	printf(T_("Run it with:  postern run %s\n"), in->dir);
}

/* Words to settings; DIR may come from -d too. */
static int parse(struct cli *c, struct init *in)
{
	for (int i = 0; i < c->n; i++) {
		const char *w = c->words[i];
		bool port = !strcmp(w, "--port-base"), host = !strcmp(w, "--host");
		if ((port || host) && i + 1 == c->n)
			return cli_usage("%s needs a value", w);
		if (port && slice_u64(slice_str(c->words[++i]), PORT_BASE_MAX, &in->port_base) < 0)
			return cli_usage("--port-base: expected a number from 0 to %d, got \"%s\"",
					 PORT_BASE_MAX, c->words[i]);
		if (host)
			in->host = c->words[++i];
		if (port || host)
			continue;
		if (w[0] == '-')
			return cli_usage("there is no option %s; try --help", w);
		if (in->dir)
			return cli_usage("\"%s\" is one word too many; try --help", w);
		in->dir = w;
	}
	if (!in->dir)
		in->dir = c->dir;
	if (!in->dir || !*in->dir)
		return cli_usage("usage: postern init DIR [--port-base N] [--host NAME]");
	return CLI_DONE;
}

int cli_init(struct cli *c)
{
	struct init in = { .host = "localhost" };
	char path[PATH_SPACE], password[PASS_RANDOM_TEXT] = "";
	int code = parse(c, &in);
	if (!code)
		code = join(path, &in, "postern.conf");
	if (code)
		return code;
	if (access(path, F_OK) == 0)
		return cli_refuse("there is an instance in %s already", in.dir);
	struct conf *conf = conf_defaults();
	umask(0);
	code = fill_conf(&in, conf);
	if (!code)
		code = make_all(&in, conf, password);
	if (!code)
		tell(c, &in, conf, password);
	explicit_bzero(password, sizeof(password));
	conf_free(&conf);
	return code;
}
