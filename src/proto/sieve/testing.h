/* SPDX-License-Identifier: Apache-2.0 */
/* For the unit tests and the fuzzer: a script run over a message, its result as one line of text. */
#ifndef PROTO_SIEVE_TESTING_H
#define PROTO_SIEVE_TESTING_H

#include "base/err.h"
#include "proto/mail/digest.h"
#include "proto/sieve/sieve.h"

struct sieve_fake {
	struct arena *arena;
	struct sieve_env env;
	struct sieve_result result;
	struct buf text;
	const struct slice *library;	/* name, text, name, text, ... of scripts that can be included */
	size_t n_library;
	const struct slice *global;	/* those of :global */
	size_t n_global;
};

static int fake_include(void *ctx, bool global, struct slice name, const struct sieve_script **ret,
			struct sieve_error *why)
{
	struct sieve_fake *f = ctx;
	struct sieve_script *s;
	const struct slice *library = global ? f->global : f->library;
	for (size_t i = 0; i + 1 < (global ? f->n_global : f->n_library); i += 2) {
		if (!slice_eq(library[i], name))
			continue;
		int err = sieve_compile(f->arena, library[i + 1], &s, why);
		if (err == 0)
			*ret = s;
		return err;
	}
	return ERR_NOT_FOUND;
}

static int fake_mailbox(void *ctx, struct slice name)
{
	return slice_eq(name, SLICE("Archive"));
}

static int fake_zone(void *ctx, int64_t ms)
{
	return 60;
}

static void fake_put(struct buf *out, const struct sieve_action *a)
{
	static const char *const kinds[] = { "keep", "fileinto", "redirect", "discard", "reject", "ereject", "vacation" };
	buf_str(out, out->n ? "; " : "");
	buf_str(out, kinds[a->kind]);
	struct slice what = a->kind == SIEVE_FILEINTO ? a->mailbox : a->kind == SIEVE_REDIRECT ? a->address : a->reason;
	if (what.n) {
		buf_byte(out, ' ');
		buf_slice(out, what);
	}
	buf_str(out, a->create ? " create" : "");
	for (size_t i = 0; i < a->n_flags; i++) {
		buf_byte(out, ' ');
		buf_slice(out, a->flags[i]);
	}
	if (a->kind == SIEVE_VACATION)
		buf_printf(out, " [" SLICE_FMT "] %u to " SLICE_FMT SLICE_FMT SLICE_FMT "%s", SLICE_ARG(a->subject),
			   a->seconds, SLICE_ARG(a->address), SLICE_ARG(SLICE(" from ")), SLICE_ARG(a->from),
			   a->mime ? " mime" : "");
}

static void fake_init(struct sieve_fake *f)
{
	static const struct slice own[] = { { (const uint8_t *)"joe@example.test", 16 } };
	*f = (struct sieve_fake){ .arena = arena_new(), .text = BUF_INIT(1 << 20) };
	f->env = (struct sieve_env){
		.sender = SLICE("anna@elsewhere.test"), .recipient = SLICE("joe+shop@example.test"), .own = own,
		.n_own = 1, .separator = '+', .now_ms = 1795319400000 /* 2026-11-22 03:50:00 */, .include = fake_include,
		.mailbox = fake_mailbox, .zone = fake_zone, .ctx = f,
	};
}

static void fake_fini(struct sieve_fake *f)
{
	buf_fini(&f->text);
	arena_free(&f->arena);
}

/* The scripts in order; the text is "error: ..." where one does not compile. */
static const char *fake_run(struct sieve_fake *f, const struct slice *scripts, size_t n, struct slice message)
{
	const struct sieve_script *compiled[8];
	struct sieve_error why;
	buf_clear(&f->text);
	for (size_t i = 0; i < n; i++) {
		struct sieve_script *s;
		if (sieve_compile(f->arena, scripts[i], &s, &why) < 0) {
			sieve_error_text(&why, NULL, &f->text);
			return buf_cstr(&f->text);
		}
		compiled[i] = s;
	}
	f->env.message = message;
	f->env.digest = digest_make(f->arena, message);
	sieve_run(f->arena, compiled, n, &f->env, &f->result);
	for (size_t i = 0; i < f->result.n_actions; i++)
		fake_put(&f->text, &f->result.actions[i]);
	if (f->result.failed) {
		buf_str(&f->text, " failed: ");
		if (f->result.failed_within.n)
			buf_printf(&f->text, "in " SLICE_FMT ": ", SLICE_ARG(f->result.failed_within));
		sieve_error_text(&f->result.why, NULL, &f->text);
	}
	return buf_cstr(&f->text);
}

#endif
