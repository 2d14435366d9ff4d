/* SPDX-License-Identifier: Apache-2.0 */
/* postern store: faults are shown, and are a failure (exit 1). While a check runs a terminal is told how far it is. */
#include "cli/cli.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 100 };

/* Of all shards; 100: none is checked now. */
static json_int_t percent(const json_t *status)
{
	size_t i;
	json_t *room;
	json_int_t sum = 0, shards = 0;
	json_array_foreach(json_object_get(status, "rooms"), i, room) {
		const json_t *p = json_object_get(json_object_get(room, "counters"), "check.percent");
		if (!p)
			continue;
		sum += json_integer_value(p);
		shards++;
	}
	return shards ? sum / shards : 100;
}

static void watch(struct cli *c)
{
	json_t *status = NULL;
	for (;;) {
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
		if (cli_ask(c, "status", &status))
			_exit(0);
		json_int_t now = percent(status);
		json_decref(status);
		if (now < 100)
			printf("\r\033[K%s %lld %%", text_in(text_current(), "checking"), (long long)now);
		fflush(stdout);
	}
}

/* The request waits for its answer: another process looks meanwhile. -1: nobody does. */
static pid_t watch_begin(struct cli *c, const struct api_op *op)
{
	if (c->json || strcmp(op->name, "store.check") || !isatty(STDOUT_FILENO))
		return -1;
	fflush(stdout);
	pid_t parent = getpid(), pid = fork();
	if (pid)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
		watch(c);
	_exit(0);
}

static void watch_end(pid_t pid)
{
	if (pid < 0)
		return;
	kill(pid, SIGKILL);
	IGNORE(waitpid(pid, NULL, 0), "gone either way");
	printf("\r\033[K");
}

static bool show(struct cli *c, const struct api_op *op, const json_t *result)
{
	size_t i;
	json_t *text;
	json_t *texts = json_object_get(result, "texts");
	if (strcmp(op->name, "store.check"))
		return false;
	show_object(op, result);
	json_array_foreach(texts, i, text) {
		struct buf line = BUF_INIT(4096);
		show_fault(slice_str(json_string_value(text)), &line);
		printf("  %s\n", buf_cstr(&line));
		buf_fini(&line);
	}
	return true;
}

static int run(struct cli *c, const struct api_op *op, struct cli_args *args)
{
	json_t *result = NULL;
	pid_t watcher = watch_begin(c, op);
	int code = cli_request(c, op, args, &result);
	watch_end(watcher);
	if (code)
		return code;
	if (c->json)
		show_json(result);
	else if (!show(c, op, result))
		show_object(op, result);
	json_int_t faults = json_integer_value(json_object_get(result, "faults"));
	json_decref(result);
	return faults ? cli_refuse(faults == 1 ? "%lld fault" : "%lld faults", (long long)faults) : CLI_DONE;
}

const struct cli_noun noun_store = { .name = "store",
				     .help = N_("the stored mail itself"),
				     .run = run };
