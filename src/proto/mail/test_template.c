/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/mail/template.h"

static const struct template_value values[] = {
	{ "name", { (const uint8_t *)"J\xc3\xb6 <b>{link}</b> 'x'=\"`&\r\nBcc: y", 33 } },
	{ "link", { (const uint8_t *)"https://a.test/?x=1&y=2", 23 } },
};

static void rendered(void **state)
{
	static const struct {
		const char *tpl;
		enum template_form form;
		const char *out;
	} cases[] = {
		{ "", TEMPLATE_TEXT, "" },
		{ "no variable", TEMPLATE_TEXT, "no variable" },
		{ "{link}", TEMPLATE_TEXT, "https://a.test/?x=1&y=2" },
		{ "a{link}{link}b", TEMPLATE_TEXT, "ahttps://a.test/?x=1&y=2https://a.test/?x=1&y=2b" },
		{ "{nothing} {LINK} { link } {} {li nk} {link", TEMPLATE_TEXT, "{nothing} {LINK} { link } {} {li nk} {link" },
		{ "{{link}}", TEMPLATE_TEXT, "{https://a.test/?x=1&y=2}" },
		{ "a{color:red}", TEMPLATE_HTML, "a{color:red}" },
		{ "{link}", TEMPLATE_HTML, "https://a.test/?x&#61;1&#38;y&#61;2" },
		{ "{name}", TEMPLATE_HTML,
		  "J\xc3\xb6 &#60;b&#62;{link}&#60;/b&#62; &#39;x&#39;&#61;&#34;&#96;&#38;<br>\nBcc: y" },
		{ "{name}", TEMPLATE_LINE, "J\xc3\xb6 <b>{link}</b> 'x'=\"`&  Bcc: y" },
		{ "{name}", TEMPLATE_TEXT, "J\xc3\xb6 <b>{link}</b> 'x'=\"`&\r\nBcc: y" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(1000);
		template_render(&out, slice_str(cases[i].tpl), values, ARRAY_SIZE(values), cases[i].form);
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
	}
}

static void checked(void **state)
{
	assert_int_equal(template_check(SLICE("a b"), TEMPLATE_LINE), 0);
	assert_int_equal(template_check(SLICE("a\nb"), TEMPLATE_LINE), ERR_SYNTAX);
	assert_int_equal(template_check(SLICE("a\r\n\tb"), TEMPLATE_TEXT), 0);
	assert_int_equal(template_check(SLICE("a\x1b"), TEMPLATE_TEXT), ERR_SYNTAX);
	assert_int_equal(template_check(SLICE("a\0b"), TEMPLATE_HTML), ERR_SYNTAX);
	assert_int_equal(template_check(SLICE("a\xff"), TEMPLATE_HTML), ERR_SYNTAX);
}

static void names(void **state)
{
	size_t at = 0;
	struct slice name, tpl = SLICE("{a} {b_2}{} {c}");
	static const char *const found[] = { "a", "b_2", "c" };
	for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
		assert_true(template_next(tpl, &at, &name));
		assert_true(slice_eq(name, slice_str(found[i])));
	}
	assert_false(template_next(tpl, &at, &name));
	/* A name of 32 bytes is one, of 33 none. */
	at = 0;
	assert_true(template_next(SLICE("{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}"), &at, &name));
	at = 0;
	assert_false(template_next(SLICE("{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}"), &at, &name));
}

static void html(void **state)
{
	struct buf out = BUF_INIT(1000);
	template_html_of_text(&out, SLICE("Hello <you>,\n\nsee https://a.test/x?y=1.\n\n\n\nBye\nnow\n"));
	assert_string_equal(buf_cstr(&out), "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n"
					    "<p>Hello &#60;you&#62;,</p>\n"
					    "<p>see <a href=\"https://a.test/x?y&#61;1\">https://a.test/x?y&#61;1</a>.</p>\n"
					    "<p>Bye<br>\nnow</p>\n</body></html>\n");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rendered), cmocka_unit_test(checked), cmocka_unit_test(names),
					    cmocka_unit_test(html) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
