/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"

static void languages(void **state)
{
	static const struct {
		const char *name, *language;
	} cases[] = {
		{ "de", "de" }, { "DE", "de" }, { "de-AT", "de" }, { "de_DE.UTF-8", "de" }, { "en", "en" }, { "en-GB", "en" },
		{ "C", "en" }, { "C.UTF-8", "en" }, { "POSIX", "en" }, { "", NULL }, { "d", NULL }, { "den", NULL }, { "fr", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *found = text_language(slice_str(cases[i].name));
		if (!cases[i].language)
			assert_null(found);
		else
			assert_string_equal(found, cases[i].language);
	}
}

static void accepted(void **state)
{
	static const struct {
		const char *accept, *language;
	} cases[] = {
		{ "", NULL }, { "de", "de" }, { "fr", NULL }, { "fr, de", "de" }, { "de;q=0.5, en;q=0.8", "en" },
		{ "de-CH, en;q=0.9, *;q=0.1", "de" }, { "en;q=0.1, de;q=0.12", "de" }, { "de;q=0", NULL }, { "de;q=x", NULL },
		{ "de;q=1.5", NULL }, { "de;q=1.000", "de" }, { "de;q=0.0001", NULL }, { ",,; ;q=,de", "de" }, { "fr;q=1, de ; q=0.2", "de" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *found = text_choose(slice_str(cases[i].accept));
		if (!cases[i].language)
			assert_null(found);
		else
			assert_string_equal(found, cases[i].language);
	}
	assert_null(text_choose((struct slice){ 0 }));
}

static void lookup(void **state)
{
	assert_string_equal(text_in("de", "not found"), "nicht gefunden");
	assert_string_equal(text_in("en", "not found"), "not found");
	assert_string_equal(text_in(NULL, "not found"), "not found");
	assert_string_equal(text_in("fr", "not found"), "not found");
	const char *unknown = "there is no translation of this";
	assert_ptr_equal(text_in("de", unknown), unknown);
	text_use("de");
	assert_string_equal(text_current(), "de");
	text_use(NULL);
	assert_null(text_current());
	for (size_t i = 0; i < text_n_catalogs; i++)
		for (size_t k = 1; k < text_catalogs[i].n; k++)
			assert_true(strcmp(text_catalogs[i].entries[k - 1].text, text_catalogs[i].entries[k].text) < 0);
}

static void counts(void **state)
{
	struct buf out = BUF_INIT(256);
	for (uint64_t n = 0; n < 3; n++)
		text_count(n, N_("message"), N_("messages"), &out);
	text_use("de");
	text_count(1, N_("message"), N_("messages"), &out);
	text_count(UINT64_MAX, N_("message"), N_("messages"), &out);
	text_use(NULL);
	assert_string_equal(buf_cstr(&out), "0 messages1 message2 messages1 Nachricht18446744073709551615 Nachrichten");
	buf_fini(&out);
}

static void sizes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 bytes" }, { 1, "1 byte" }, { 1023, "1023 bytes" }, { 1024, "1K" }, { 1025, "1025 bytes" }, { 10 << 20, "10M" },
		{ (10 << 20) + 1, "10485761 bytes" }, { 1465ull << 20, "1465M" }, { 2ull << 30, "2G" }, { 1ull << 50, "1P" },
		{ 1ull << 60, "1024P" }, { UINT64_MAX, "18446744073709551615 bytes" },
	};
	char text[TEXT_SIZE];
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(text_size(cases[i].bytes, text), cases[i].text);
	text_use("de");
	assert_string_equal(text_size(1, text), "1 Byte");
	assert_string_equal(text_size(17, text), "17 Bytes");
	text_use(NULL);
}

static void test_ascii(void **state)
{
	static const struct {
		const char *text, *ascii;
	} cases[] = {
		{ "", "" }, { "plain <a@b>", "plain <a@b>" }, { "ÄÖÜ äöü ß", "AeOeUe aeoeue ss" }, { "„so“ – ‚a‘ …", "\"so\" - 'a' ..." },
		{ "é☃", "??" }, { "a\xff" "b\xc3", "a?b?" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(256);
		text_ascii(cases[i].text, &out);
		assert_string_equal(buf_cstr(&out), cases[i].ascii);
		buf_fini(&out);
	}
}

/* Whatever a catalogue says may go into a reply: nothing is lost as '?', no line ends in it. */
static void test_ascii_of_all_texts(void **state)
{
	for (size_t k = 0; k < text_n_catalogs; k++) {
		for (size_t i = 0; i < text_catalogs[k].n; i++) {
			struct buf out = BUF_INIT(16384);
			const char *said = text_catalogs[k].entries[i].translation;
			size_t asked = 0, lost = 0;
			text_ascii(said, &out);
			for (const char *p = said; *p; p++)
				asked += *p == '?';
			for (size_t b = 0; b < out.n; b++) {
				assert_true(out.p[b] < 0x80);
				lost += out.p[b] == '?';
			}
			assert_int_equal(lost, asked);
			buf_fini(&out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(languages), cmocka_unit_test(accepted), cmocka_unit_test(lookup),
		cmocka_unit_test(counts),
		cmocka_unit_test(sizes),
					     cmocka_unit_test(test_ascii), cmocka_unit_test(test_ascii_of_all_texts) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
