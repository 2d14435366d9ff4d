/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5230 5: what a reply looks like, and when two are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/mail/digest.h"
#include "room/filter/sieve.h"

static const struct slice own[] = { { (const uint8_t *)"joe@example.test", 16 } };
static const char message[] = "Message-ID: <two@a.test>\r\nReferences: <one@a.test>\r\nTo: joe@example.test\r\n\r\nHi\r\n";

static void fill(struct arena *arena, const char *original, const struct sieve_action *a, Postern__SieveAction *out)
{
	struct slice m = slice_str(original);
	struct sieve_env env = { .message = m, .digest = digest_make(arena, m), .sender = a->address, .own = own,
				 .n_own = 1, .now_ms = 1795319400000 };
	postern__sieve_action__init(out);
	vacation_fill(arena, &env, "mx.example.test", a, out);
}

static bool holds(const Postern__SieveAction *a, const char *what)
{
	return slice_find(slice_of(a->message.data, a->message.len), slice_str(what), 0) >= 0;
}

static struct sieve_action action(void)
{
	return (struct sieve_action){ .kind = SIEVE_VACATION, .address = SLICE("anna@elsewhere.test"),
				      .reason = SLICE("Gr\xc3\xbc\xc3\x9f" "e\r\n"), .subject = SLICE("Auto: \xc3\xa4"),
				      .seconds = 86400, .handle = SLICE("h") };
}

static void text(void **state)
{
	struct arena *arena = arena_new();
	struct sieve_action a = action();
	Postern__SieveAction out;
	fill(arena, message, &a, &out);
	assert_true(holds(&out, "From: joe@example.test\r\n") || holds(&out, "From: <joe@example.test>\r\n"));
	assert_true(holds(&out, "anna@elsewhere.test"));
	assert_true(holds(&out, "Subject: Auto: =?utf-8?") || holds(&out, "Subject: =?utf-8?") || holds(&out, "Subject: Auto: =?UTF-8?"));
	assert_true(holds(&out, "In-Reply-To: <two@a.test>\r\n"));
	assert_true(holds(&out, "References: <one@a.test> <two@a.test>\r\n"));
	assert_true(holds(&out, "Auto-Submitted: auto-replied (vacation)\r\n"));
	assert_true(holds(&out, "Date: Sun, 22 Nov 2026 "));
	assert_true(holds(&out, "@mx.example.test>\r\n"));
	assert_int_equal(out.once_seconds, 86400);
	assert_int_equal(out.once_key.len, 32);
	assert_memory_equal(out.address.data, "joe@example.test", 16);
	arena_free(&arena);
}

static void from_with_name(void **state)
{
	struct arena *arena = arena_new();
	struct sieve_action a = action();
	Postern__SieveAction out;
	a.from = SLICE("\"Joe\\r\\nBcc: x@y.test\" <joe@example.test>");
	fill(arena, message, &a, &out);
	assert_false(holds(&out, "\nBcc"));
	assert_true(holds(&out, "<joe@example.test>\r\n"));
	arena_free(&arena);
}

/* Of an entity only what describes its content, and nothing that the message says of itself already. */
static void mime(void **state)
{
	struct arena *arena = arena_new();
	struct sieve_action a = action();
	Postern__SieveAction out;
	a.mime = true;
	a.reason = SLICE("Content-Type: text/html\r\nBcc: x@y.test\r\nFrom: boss@example.test\r\n\r\n<b>\xc3\xa4</b>\n");
	fill(arena, message, &a, &out);
	assert_true(holds(&out, "Content-Type: text/html\r\n"));
	assert_true(holds(&out, "Content-Transfer-Encoding: 8bit\r\n\r\n<b>\xc3\xa4</b>\r\n"));
	assert_false(holds(&out, "Bcc"));
	assert_false(holds(&out, "boss@"));
	assert_true(holds(&out, "Auto-Submitted: auto-replied"));
	arena_free(&arena);
}

static void odd_ids(void **state)
{
	static const char *const ids[] = { "no brackets", "<a b@c>", "<>", "<a\x01@b>" };
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct arena *arena = arena_new();
		struct sieve_action a = action();
		Postern__SieveAction out;
		fill(arena, arena_printf(arena, "Message-ID: %s\r\n\r\n", ids[i]), &a, &out);
		assert_false(holds(&out, "In-Reply-To"));
		assert_false(holds(&out, "References"));
		arena_free(&arena);
	}
}

static bool same(struct sieve_action a, struct sieve_action b)
{
	struct arena *arena = arena_new();
	Postern__SieveAction x, y;
	fill(arena, message, &a, &x);
	fill(arena, message, &b, &y);
	bool r = memcmp(x.once_key.data, y.once_key.data, 32) == 0;
	arena_free(&arena);
	return r;
}

static void keys(void **state)
{
	struct sieve_action a = action(), b = action();
	b.address = SLICE("Anna@Elsewhere.test");
	b.reason = SLICE("other");
	assert_true(same(a, b));
	b.address = SLICE("berta@elsewhere.test");
	assert_false(same(a, b));
	b = action();
	b.handle = SLICE("i");
	assert_false(same(a, b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text), cmocka_unit_test(from_with_name), cmocka_unit_test(mime),
		cmocka_unit_test(odd_ids), cmocka_unit_test(keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
