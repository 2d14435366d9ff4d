/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to the instance, over its admin socket. The socket's path comes from postern.conf;
 * where that file cannot be read the usual place is taken, so that `reload` still reaches an
 * instance whose file was damaged since. A path longer than a socket address holds is reached
 * through /proc/self/fd.
 */
#include "cli/cli.h"

#include "base/err.h"
#include "base/text.h"
#include "lib/conf/conf.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	ANSWER_MAX = 256 << 20,
	TARGET_MAX = 64 * 1024,
	CONNECT_S = 10,
	WHOLE_S = 16 * 60,
	EXPECT_MIN = 16 * 1024,	/* a body larger than this is asked for before it is sent */
	PATH_SPACE = 4096
};

static void socket_path(const char *dir, char *ret, size_t size)
{
	char path[PATH_SPACE];
	struct conf *conf = NULL;
	struct buf error = BUF_INIT(4096);
	const char *name = "run/admin.sock";
	snprintf(path, sizeof(path), "%s/postern.conf", dir);
	if (conf_load(path, &conf, &error) == 0)
		name = conf_str(conf, "admin.socket");
	if (name[0] == '/')
		snprintf(ret, size, "%s", name);
	else
		snprintf(ret, size, "%s/%s", dir, name);
	conf_free(&conf);
	buf_fini(&error);
}

/* *ret_fd stays open while the short path is in use; -1 where none was needed. */
static void shorten(char *path, size_t size, int *ret_fd)
{
	char *slash = strrchr(path, '/');
	char name[128];
	*ret_fd = -1;
	if (strlen(path) < sizeof(((struct sockaddr_un *)0)->sun_path) || !slash ||
	    strlen(slash) >= sizeof(name))
		return;
	snprintf(name, sizeof(name), "%s", slash + 1);
	*slash = 0;
	*ret_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd >= 0)
		snprintf(path, size, "/proc/self/fd/%d/%s", *ret_fd, name);
}

bool cli_is_running(const char *dir)
{
	char path[PATH_SPACE];
	snprintf(path, sizeof(path), "%s/run/postern.pid", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool locked = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return locked;
}

bool cli_keep_stopped(const char *dir)
{
	enum { PAUSE_NS = 50000000, TRIES = 20 };	/* who only looks holds it for a moment */
	char path[PATH_SPACE];
	snprintf(path, sizeof(path), "%s/run/postern.pid", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;	/* it never ran */
	for (int i = 0; i < TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	}
	close(fd);
	return false;
}

static size_t on_answer(char *p, size_t size, size_t n, void *ctx)
{
	struct buf *answer = ctx;
	buf_append(answer, p, size * n);
	return buf_ok(answer) ? size * n : 0;
}

int cli_read_file(const char *path, struct buf *out)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	int err = fd < 0 ? -errno : 0;
	while (err == 0) {
		uint8_t *at = buf_reserve(out, 65536);
		ssize_t n = at ? read(fd, at, 65536) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (!at || n < 0)
			err = at ? -errno : ERR_TOO_BIG;
		if (n <= 0)
			break;
		buf_added(out, (size_t)n);
	}
	if (fd > STDIN_FILENO)
		close(fd);
	return err;
}

struct exchange {
	const struct api_op *op;
	const char *type; /* of the body; NULL for none */
	struct buf target, body, answer;
	struct buf secret; /* header beside a file */
	long status;
};

static int prepare(struct exchange *x, const struct cli_args *args)
{
	const struct api_fields *f = &args->fields;
	bool has_body = strcmp(x->op->method, "GET") && strcmp(x->op->method, "DELETE");
	buf_str(&x->target, "http://postern");
	api_request_target(x->op, f->v, f->n, args->file != NULL, &x->target);
	if (args->file) {
		x->type = "Content-Type: text/plain";
		api_secret_header(x->op, f->v, f->n, &x->secret);
		int err = cli_read_file(args->file, &x->body);
		if (err < 0)
			return cli_refuse("%s: %s", args->file, err_said(err));
	} else if (args->raw.p) {
		x->type = "Content-Type: application/json";
		buf_slice(&x->body, args->raw);
	} else if (has_body) {
		x->type = "Content-Type: application/json";
		api_fields_to_json(x->op, f->v, f->n, &x->body);
	}
	if (!buf_ok(&x->target) || !buf_ok(&x->body))
		return cli_refuse("the request is too large");
	return CLI_DONE;
}

static int not_reached(const char *dir, CURLcode code, const char *text, const char *path)
{
	if (code != CURLE_COULDNT_CONNECT)
		return cli_refuse("no answer from the instance in %s: %s", dir,
				  *text ? text : curl_easy_strerror(code));
	if (access(dir, F_OK) < 0)
		return cli_refuse("%s: %s", dir, err_said(-errno));
	if (access(path, F_OK) == 0 && access(path, W_OK) < 0)
		return cli_refuse(
			"you may not administer the instance in %s (no right to open its socket)",
			dir);
	if (cli_is_running(dir))
		return cli_refuse("the instance in %s does not answer yet; try again", dir);
	return cli_refuse("no instance runs in %s; start it with: postern run %s", dir, dir);
}

static int perform(struct cli *c, struct exchange *x, const char *dir)
{
	char path[PATH_SPACE], text[CURL_ERROR_SIZE] = "";
	int dir_fd;
	CURL *curl = curl_easy_init();
	bug_if(!curl);
	socket_path(dir, path, sizeof(path));
	shorten(path, sizeof(path), &dir_fd);
	struct curl_slist *headers =
		curl_slist_append(NULL, x->type ? x->type : "Accept: application/json");
	if (text_current())
		headers = curl_slist_append(headers, arena_printf(c->arena, "Accept-Language: %s", text_current()));
	if (x->secret.n)
		headers = curl_slist_append(headers, buf_cstr(&x->secret));
	/* What is too large is refused by its length: to send it all the same could lose the answer behind it. */
	if (x->body.n > EXPECT_MIN)
		headers = curl_slist_append(headers, "Expect: 100-continue");
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(curl, CURLOPT_URL, buf_cstr(&x->target));
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)WHOLE_S);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &x->answer);
	if (x->type) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.n);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, buf_cstr(&x->body));
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, x->op->method);
	CURLcode code = curl_easy_perform(curl);
	/* An early refusal (413) may cut our own sending off: its answer counts. */
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &x->status);
	int result = CLI_DONE;
	if (code != CURLE_OK && (code != CURLE_SEND_ERROR || x->status < 400))
		result = not_reached(dir, code, text, path);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	if (dir_fd >= 0)
		close(dir_fd);
	return result;
}

static const char *member(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));
	return s ? s : "";
}

/* Each line of an import that is wrong: {"line": 7, "text": "..."}. */
static void print_errors(const json_t *problem)
{
	json_t *list = json_object_get(problem, "errors"), *e;
	json_int_t total = json_integer_value(json_object_get(problem, "errors_total"));
	size_t i;
	json_array_foreach(list, i, e) {
		json_int_t line = json_integer_value(json_object_get(e, "line"));
		struct buf safe = BUF_INIT(4096);
		show_safe(slice_str(member(e, "text")), &safe);
		if (line)
			fprintf(stderr, text_in(text_current(), "  line %lld: %s\n"), (long long)line, buf_cstr(&safe));
		else
			fprintf(stderr, "  %s\n", buf_cstr(&safe));
		buf_fini(&safe);
	}
	if (total > (json_int_t)json_array_size(list))
		fprintf(stderr, text_in(text_current(), "  and %lld more\n"),
			(long long)(total - (json_int_t)json_array_size(list)));
}

static int refused(struct cli *c, const struct exchange *x, const json_t *problem)
{
	const char *detail = member(problem, "detail"), *title = member(problem, "title");
	bool lines = json_array_size(json_object_get(problem, "errors")) > 0;
	if (c->json && problem)
		show_json(problem);
	if (!*detail)
		detail = *title ? title : api_status_title((unsigned)x->status);
	/* Where each error has a line of its own, the sentence about all of them is enough before.
	 */
	size_t n = lines ? strcspn(detail, ":") : strlen(detail);
	char option[80] = "";
	const struct api_param *field = lines ? NULL : api_param_find(x->op, slice_str(member(problem, "field")));
	if (field && !field->positional)
		cli_spell(x->op, field->name, option, sizeof(option));
	cli_refuse("%s%s%.*s%s", option, *option ? ": " : "", (int)n, detail, lines ? ":" : "");
	print_errors(problem);
	return CLI_REFUSED;
}

int cli_request(struct cli *c, const struct api_op *op, const struct cli_args *args, json_t **ret)
{
	const char *dir = cli_dir(c);
	if (!dir)
		return CLI_USAGE;
	struct exchange x = { .op = op,
			      .target = BUF_INIT(TARGET_MAX),
			      .body = BUF_INIT(API_FILE_MAX),
			      .answer = BUF_INIT(ANSWER_MAX),
			      .secret = BUF_INIT(4096) };
	int code = prepare(&x, args);
	if (!code)
		code = perform(c, &x, dir);
	if (!code) {
		json_error_t where;
		json_t *answer =
			x.answer.n ? json_loadb((const char *)x.answer.p, x.answer.n, 0, &where)
				   : NULL;
		if (x.status >= 400) {
			code = refused(c, &x, answer);
			json_decref(answer);
		} else if (x.answer.n && !answer) {
			code = cli_refuse("the instance's answer is no JSON: %s", where.text);
		} else {
			*ret = answer;
		}
	}
	if (x.body.p)
		explicit_bzero(x.body.p, x.body.cap);
	buf_fini(&x.target);
	buf_fini(&x.body);
	buf_fini(&x.answer);
	if (x.secret.p)
		explicit_bzero(x.secret.p, x.secret.cap);
	buf_fini(&x.secret);
	return code;
}
