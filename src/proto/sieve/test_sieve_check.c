/* SPDX-License-Identifier: Apache-2.0 */
/* What compiles, and what people are told where it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/sieve/sieve.h"

static const struct {
	const char *script, *error;	/* NULL: right */
} cases[] = {
	{ "", NULL },
	{ "# only a comment", NULL },
	{ "/* one */ keep; /* two\n */ stop ;", NULL },
	{ "KEEP; Keep; sToP;", NULL },
	{ "\xef\xbb\xbfkeep;", NULL },
	{ "keep", "line 1, column 5: behind the command \"keep\" a ; is missing" },
	{ "keep;\nkep;", "line 2, column 1: there is no command \"kep\"" },
	{ "\"x\";", "line 1, column 1: a command is expected here, not \"x\"" },
	{ "keep \"x\";", "line 1, column 6: \"keep\" has an argument too many" },
	{ "/* open", "line 1, column 1: this comment is not closed" },
	{ "redirect \"a@b.test;", "line 1, column 10: this string is not closed: its second \" is missing" },
	{ "redirect text:\na@b.test\n", "line 1, column 10: this text is not closed: a line with a single dot is missing" },
	{ "redirect text: x\na\n.\n;", "line 1, column 16: behind text: the line must end; the text begins on the next one" },
	{ "if true { keep; ", "line 1, column 9: this block is not closed: its } is missing" },
	{ "keep; }", "line 1, column 7: this } closes nothing" },
	{ "if true keep;", "line 1, column 1: behind \"if\" a block in { } must stand" },
	{ "if { keep; }", "line 1, column 1: \"if\" lacks its test" },
	{ "if true; ", "line 1, column 1: behind \"if\" a block in { } must stand" },
	{ "keep { stop; }", "line 1, column 1: \"keep\" has no block; it ends with ;" },
	{ "true;", "line 1, column 1: \"true\" is a test; it stands behind if or elsif" },
	{ "if nonsense { keep; }", "line 1, column 4: there is no test \"nonsense\"" },
	{ "else { keep; }", "line 1, column 1: \"else\" must follow the block of an if or an elsif" },
	{ "if true { keep; } stop; elsif true { keep; }", "line 1, column 25: \"elsif\" must follow the block of an if or an elsif" },
	{ "if true {} elsif false {} elsif true {} else {}", NULL },
	{ "if true {} else {} else {}", "line 1, column 20: \"else\" must follow the block of an if or an elsif" },
	{ "keep; require \"fileinto\";", "line 1, column 7: require stands at the beginning of a script only" },
	{ "if true { require \"fileinto\"; }", "line 1, column 11: require stands at the beginning of a script only" },
	{ "require \"nonsense\";", "line 1, column 9: the extension \"nonsense\" is not known here" },
	{ "require [\"fileinto\", \"copy\"]; fileinto :copy \"a\";", NULL },
	{ "require []; ", "line 1, column 9: the list is empty" },
	{ "require [\"fileinto\",];", "line 1, column 21: behind the comma another string must follow" },
	{ "require [\"fileinto\" \"copy\"];", "line 1, column 21: a comma or ] is missing here" },
	{ "require [fileinto];", "line 1, column 10: in [ ] stand strings with commas between them" },
	{ "fileinto \"a\";", "line 1, column 1: this needs require \"fileinto\" at the beginning of the script" },
	{ "require \"fileinto\"; fileinto :copy \"a\";", "line 1, column 30: this needs require \"copy\" at the beginning of the script" },
	{ "require \"fileinto\"; fileinto :nonsense \"a\";", "line 1, column 30: there is no tag \":nonsense\" here" },
	{ "require \"fileinto\"; fileinto [\"a\", \"b\"];", "line 1, column 30: \"fileinto\" takes one string here" },
	{ "require \"fileinto\"; fileinto;", "line 1, column 21: \"fileinto\" lacks an argument" },
	{ "require \"fileinto\"; fileinto \"\";", "line 1, column 30: \"\" cannot be the name of a mailbox" },
	{ "require \"fileinto\"; fileinto \"a//b\";", "line 1, column 30: \"a//b\" cannot be the name of a mailbox" },
	{ "redirect \"Ann Bee <a@b.test>\"; redirect \" a@b.test \"; redirect \"<a@b.test>\";", NULL },
	{ "redirect \"Ann <x> <a@b.test>\";", "line 1, column 10: \"Ann <x> <a@b.test>\" is not a mail address" },
	{ "redirect \"c@d.test, <a@b.test>\";", "line 1, column 10: \"c@d.test, <a@b.test>\" is not a mail address" },
	{ "redirect \"\\\"Ann <a@b.test>\";", "line 1, column 10: \"\"Ann <a@b.test>\" is not a mail address" },
	{ "redirect \" a @\tb.test \"; redirect \"Ann <  a  @  b.test > \"; redirect \"\\\"a @ b\\\"@b.test\";", NULL },
	{ "redirect \"a b@b.test\";", "line 1, column 10: \"a b@b.test\" is not a mail address" },
	{ "redirect \"a@b .test\";", "line 1, column 10: \"a@b .test\" is not a mail address" },
	{ "redirect \"a@ \";", "line 1, column 10: \"a@ \" is not a mail address" },
	{ "redirect \" @ b.test\";", "line 1, column 10: \" @ b.test\" is not a mail address" },
	{ "redirect \"<>\";", "line 1, column 10: \"<>\" is not a mail address" },
	{ "redirect \"nobody\";", "line 1, column 10: \"nobody\" is not a mail address" },
	{ "redirect \"a@b.test\\r\\nX: y\";", "line 1, column 10: \"a@b.testrnX: y\" is not a mail address" },
	{ "redirect \"\xc3\xa4@b\xc3\xbc.test\";", NULL },
	{ "if header \"Subject\" \"x\" {}", NULL },
	{ "if header :is :contains \"a\" \"b\" {}", "line 1, column 15: the tag \":contains\" stands here with another of its kind, or twice" },
	{ "if anyof (header \"a:\" \"b\", exists [\"\", \"a b\"], address \"from:\" \"x\") {}", NULL },
	{ "if header :comparator \"i;nonsense\" \"a\" \"b\" {}", "line 1, column 23: there is no comparator \"i;nonsense\"" },
	{ "if header :comparator \"a\" {}", "line 1, column 4: \"header\" lacks an argument" },
	{ "if header :comparator {}", "line 1, column 11: \"comparator\" takes one string here" },
	{ "require \"comparator-i;ascii-numeric\"; if header :contains :comparator \"i;ascii-numeric\" \"a\" \"b\" {}",
	  "line 1, column 42: i;ascii-numeric compares whole numbers only: not with :contains or :matches" },
	{ "if header :comparator \"i;ascii-numeric\" \"a\" \"b\" {}",
	  "line 1, column 11: this needs require \"comparator-i;ascii-numeric\" at the beginning of the script" },
	{ "require \"relational\"; if header :value \"gtt\" \"a\" \"b\" {}", "line 1, column 40: \"gtt\" is none of gt, ge, lt, le, eq, ne" },
	{ "if header :value \"gt\" \"a\" \"b\" {}", "line 1, column 11: this needs require \"relational\" at the beginning of the script" },
	{ "if address \"Subject\" \"b\" {}",
	  "line 1, column 12: the field \"Subject\" holds no addresses; the test \"header\" looks into any field" },
	{ "if address :user \"To\" \"b\" {}", "line 1, column 12: this needs require \"subaddress\" at the beginning of the script" },
	{ "require \"envelope\"; if envelope \"helo\" \"b\" {}", "line 1, column 33: an envelope has \"from\" and \"to\", not \"helo\"" },
	{ "if size 100 {}", "line 1, column 4: \"size\" needs :over or :under" },
	{ "if size :over 100K {}", NULL }, { "if size :over 8G {}", NULL },
	{ "if size :over 100X {}", "line 1, column 15: a number ends in a digit, or in K, M or G" },
	{ "if size :over 9223372036854775807 {}", NULL },
	{ "if size :over 9223372036854775808 {}", "line 1, column 15: the number 9223372036854775808 is too big" },
	{ "if size :over \"1\" {}", "line 1, column 15: \"size\" takes a number here" },
	{ "if not true {}", NULL }, { "if not (true) {}", "line 1, column 9: \"not\" takes one test without parentheses; anyof and allof take several" },
	{ "if allof true {}", "line 1, column 10: \"allof\" takes tests in parentheses" },
	{ "if allof (true, ) {}", "line 1, column 17: the name of a test is missing here" },
	{ "if anyof (true false) {}", "line 1, column 16: \"true\" takes no test" },
	{ "if anyof (true; false) {}", "line 1, column 15: a comma or ) is missing here" },
	{ "if true true {}", "line 1, column 9: \"true\" takes no test" },
	{ "\n\n  \xc3\xa4;", "line 3, column 3: the character \"\xc3\xa4\" does not belong here" },
	{ "keep;\n # \xc3\xa4 \xff", "line 2, column 6: the script is not valid UTF-8 here" },
	{ "if :x {}", "line 1, column 4: there is no tag \":x\" here" },
	{ "keep : ;", "line 1, column 6: behind a colon the name of a tag must follow" },
	{ "require \"variables\"; set \"a\" \"${b}\";", NULL },
	{ "set \"a\" \"b\";", "line 1, column 1: this needs require \"variables\" at the beginning of the script" },
	{ "require \"variables\"; set \"1\" \"b\";", "line 1, column 26: \"1\" cannot be the name of a variable" },
	{ "require \"variables\"; set \"${a}\" \"b\";", "line 1, column 26: no variable may stand here: \"${a}\"" },
	{ "require \"variables\"; set \"a\" \"${33}\";", "line 1, column 30: matches give variables up to ${32} only" },
	{ "require \"variables\"; set \"a\" \"${32} ${} ${.} ${a\";", NULL },
	{ "require \"variables\"; set \"a\" \"${env.x}\";", "line 1, column 30: there is no namespace \"env\" of variables here" },
	{ "require \"variables\"; set :lower :upper \"a\" \"b\";", "line 1, column 33: the tag \":upper\" stands here with another of its kind, or twice" },
	{ "require [\"variables\", \"fileinto\"]; fileinto \"a/${x}/\";", NULL },
	{ "require \"include\"; global \"a\";", "line 1, column 20: this needs require \"variables\" at the beginning of the script" },
	{ "require [\"include\", \"variables\"]; global [\"a\", \"b\"]; set \"global.c\" \"${global.a}\";", NULL },
	{ "require \"include\"; include \"a/b\";", "line 1, column 28: \"a/b\" cannot be the name of a script" },
	{ "require [\"include\", \"variables\"]; set \"Ab\" \"x\"; if true { global [\"c\", \"aB\"]; }", "line 1, column 72: the variable \"aB\" was set before it is made a global one" },
	{ "require [\"include\", \"variables\"]; set \"global.a\" \"x\"; global \"a\"; global \"a\"; set \"a\" \"y\";", NULL },
	{ "require \"include\"; include :personal :global \"a\";", "line 1, column 38: the tag \":global\" stands here with another of its kind, or twice" },
	{ "require \"imap4flags\"; addflag \"\\\\Nonsense\";", "line 1, column 31: \"\\Nonsense\" is not a flag that can be set" },
	{ "require \"imap4flags\"; addflag \"\\\\Seen $Forwarded\"; keep :flags [\"a\", \"b\"];", NULL },
	{ "require \"imap4flags\"; addflag \"v\" \"\\\\Seen\";", "line 1, column 31: this needs require \"variables\" at the beginning of the script" },
	{ "require \"date\"; if currentdate \"nonsense\" \"1\" {}", "line 1, column 32: \"nonsense\" is not a part of a date" },
	{ "require \"date\"; if currentdate :zone \"0100\" \"hour\" \"1\" {}", "line 1, column 38: \"0100\" is not a time zone such as \"+0100\"" },
	{ "require \"date\"; if date :zone \"+0100\" :originalzone \"Date\" \"hour\" \"1\" {}",
	  "line 1, column 39: the tag \":originalzone\" stands here with another of its kind, or twice" },
	{ "require \"index\"; if header :last \"a\" \"b\" {}", "line 1, column 21: :last needs :index" },
	{ "require \"index\"; if header :index 0 \"a\" \"b\" {}", "line 1, column 28: :index counts from 1" },
	{ "require \"vacation\"; vacation :from \"nobody\" \"x\";", "line 1, column 36: \"nobody\" is not a mail address" },
	{ "require \"vacation\"; vacation :from \"Joe <joe@a.test>\" :addresses [\"a@b.test\"] :days 3 \"x\";", NULL },
	{ "require \"vacation\"; vacation :from \"a@b.test, c@d.test\" \"x\";", "line 1, column 36: \"a@b.test, c@d.test\" is not a mail address" },
	{ "require \"vacation\"; vacation :seconds 60 \"x\";", "line 1, column 30: this needs require \"vacation-seconds\" at the beginning of the script" },
	{ "require \"vacation-seconds\"; vacation :seconds 60 \"x\";", NULL },
	{ "require \"encoded-character\"; redirect \"a${hex:40}b.test\";", NULL },
	{ "require \"encoded-character\"; redirect \"${unicode:200000}\";", "line 1, column 39: \"200000\" is not a character of Unicode" },
	{ "require \"encoded-character\"; redirect \"${Unicode:DF01}\";", "line 1, column 39: \"DF01\" is not a character of Unicode" },
	{ "require \"body\"; if body :content \"text\" :raw \"x\" {}", "line 1, column 41: the tag \":raw\" stands here with another of its kind, or twice" },
	{ "require \"mailbox\"; if mailboxexists [\"a\", \"b/c\"] {}", NULL },
	{ "require [\"reject\", \"ereject\"]; if true { reject \"x\"; } else { ereject \"y\"; }", NULL },
};

static int compile(struct slice text, struct sieve_script **ret, struct buf *out)
{
	struct arena *a = arena_new();
	struct sieve_error why;
	buf_clear(out);
	int err = sieve_compile(a, text, ret, &why);
	if (err < 0)
		sieve_error_text(&why, NULL, out);
	arena_free(&a);
	return err;
}

static void texts(void **state)
{
	struct buf out = BUF_INIT(4096);
	struct sieve_script *s;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int err = compile(slice_str(cases[i].script), &s, &out);
		if ((err == 0) != !cases[i].error || (cases[i].error && strcmp(buf_cstr(&out), cases[i].error) != 0))
			fail_msg("%s\n  gave     %s\n  expected %s", cases[i].script, buf_cstr(&out),
				 cases[i].error ? cases[i].error : "no error");
	}
	buf_fini(&out);
}

/* Every prefix of every case compiles or says why, and reads nothing behind its end. */
static void prefixes(void **state)
{
	struct buf out = BUF_INIT(4096);
	struct sieve_script *s;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = strlen(cases[i].script);
		for (size_t k = 0; k < n; k++) {
			uint8_t *exact = malloc(k ? k : 1);
			assert_non_null(exact);
			memcpy(exact, cases[i].script, k);
			assert_true((compile(slice_of(exact, k), &s, &out) < 0) == (out.n > 0));
			free(exact);
		}
	}
	buf_fini(&out);
}

static void repeat(struct buf *b, const char *s, size_t n)
{
	while (n--)
		buf_str(b, s);
}

static void limits(void **state)
{
	struct buf text = BUF_INIT(1 << 20), out = BUF_INIT(4096);
	struct sieve_script *s;
	for (int over = 0; over <= 1; over++) {
		buf_clear(&text);
		repeat(&text, " ", (size_t)SIEVE_SCRIPT_MAX - 5 + (size_t)over);
		buf_str(&text, "keep;");
		assert_int_equal(compile(buf_view(&text), &s, &out), over ? ERR_TOO_BIG : 0);

		buf_clear(&text);
		repeat(&text, "stop;", SIEVE_NODES_MAX + (size_t)over);
		assert_int_equal(compile(buf_view(&text), &s, &out), over ? ERR_TOO_BIG : 0);

		/* The innermost if has its test one level below. */
		buf_clear(&text);
		repeat(&text, "if true{", SIEVE_NEST_MAX - 1 + (size_t)over);
		repeat(&text, "}", SIEVE_NEST_MAX - 1 + (size_t)over);
		assert_int_equal(compile(buf_view(&text), &s, &out), over ? ERR_TOO_BIG : 0);

		buf_clear(&text);
		buf_str(&text, "if ");
		repeat(&text, "not ", SIEVE_NEST_MAX - 2 + (size_t)over);
		buf_str(&text, "true {}");
		assert_int_equal(compile(buf_view(&text), &s, &out), over ? ERR_TOO_BIG : 0);

		buf_clear(&text);
		buf_str(&text, "require \"reject\"; reject \"");
		repeat(&text, "x", SIEVE_REASON_MAX + (size_t)over);
		buf_str(&text, "\";");
		assert_int_equal(compile(buf_view(&text), &s, &out), over ? ERR_SYNTAX : 0);

		buf_clear(&text);
		buf_str(&text, "require \"variables\"; set \"");
		repeat(&text, "x", SIEVE_VARIABLE_NAME_MAX + (size_t)over);
		buf_str(&text, "\" \"\";");
		assert_int_equal(compile(buf_view(&text), &s, &out), over ? ERR_SYNTAX : 0);

		buf_clear(&text);
		repeat(&text, "n", SIEVE_NAME_MAX + (size_t)over);
		assert_int_equal(sieve_name_ok(buf_view(&text)), !over);
	}
	buf_fini(&text);
	buf_fini(&out);
}

static void names(void **state)
{
	assert_true(sieve_name_ok(SLICE("My rules \xc3\xa4")));
	assert_false(sieve_name_ok(SLICE("")));
	assert_false(sieve_name_ok(SLICE("a\nb")));
	assert_false(sieve_name_ok(SLICE("a/b")));
	assert_false(sieve_name_ok(SLICE("a\xe2\x80\xa8" "b")));
	assert_false(sieve_name_ok(SLICE("a\xff")));
}

/* Each word of the capabilities can be required. */
static void capabilities(void **state)
{
	struct buf text = BUF_INIT(4096), out = BUF_INIT(4096);
	struct sieve_script *s;
	struct slice all = slice_str(sieve_capabilities());
	for (size_t from = 0; from < all.n;) {
		ptrdiff_t sp = slice_find_byte(all, ' ', from);
		size_t end = sp < 0 ? all.n : (size_t)sp;
		buf_clear(&text);
		buf_printf(&text, "require \"" SLICE_FMT "\";", SLICE_ARG(slice_sub(all, from, end)));
		assert_int_equal(compile(buf_view(&text), &s, &out), 0);
		from = end + 1;
	}
	buf_fini(&text);
	buf_fini(&out);
}

static void includes(void **state)
{
	struct arena *a = arena_new();
	struct sieve_script *s;
	struct sieve_error why;
	struct sieve_include inc;
	size_t at = 0;
	assert_int_equal(sieve_compile(a, SLICE("require \"include\"; if true { include :optional \"one\"; } include :global \"two\";"),
				       &s, &why), 0);
	assert_true(sieve_next_include(s, &at, &inc) && slice_eq(inc.name, SLICE("one")) && inc.optional && !inc.global);
	assert_true(sieve_next_include(s, &at, &inc) && slice_eq(inc.name, SLICE("two")) && inc.global);
	assert_false(sieve_next_include(s, &at, &inc));
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts), cmocka_unit_test(prefixes), cmocka_unit_test(limits),
		cmocka_unit_test(names), cmocka_unit_test(capabilities), cmocka_unit_test(includes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
