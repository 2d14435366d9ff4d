/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts over messages. Cases marked with an RFC take that document's example as their script or their table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/sieve/testing.h"

/* RFC 5228 10: messages A and B. */
static const char message_a[] =
	"Date: Tue, 1 Apr 1997 09:06:31 -0800 (PST)\r\n"
	"From: coyote@desert.example.org\r\n"
	"To: roadrunner@acme.example.com\r\n"
	"Subject: I have a present for you\r\n"
	"\r\n"
	"Look, I'm sorry about the whole anvil thing, and I really\r\n"
	"didn't mean to try and drop it on you from the top of the\r\n"
	"cliff.  I want to try to make it up to you.  I've got some\r\n"
	"great birdseed over here at my place--top of the line\r\n"
	"stuff--and if you come by, I'll have it all wrapped up\r\n"
	"for you.  I'm really sorry for all the problems I've caused\r\n"
	"for you over the years, but I know we can work this out.\r\n"
	"--\r\n"
	"Wile E. Coyote   \"Super Genius\"   coyote@desert.example.org\r\n";
static const char message_b[] =
	"From: youcouldberich!@reply-by-postal-mail.invalid\r\n"
	"Sender: b1ff@de.res.example.com\r\n"
	"To: rube@landru.example.com\r\n"
	"Date:  Mon, 31 Mar 1997 18:26:10 -0800\r\n"
	"Subject: $$$ YOU, TOO, CAN BE A MILLIONAIRE! $$$\r\n"
	"\r\n"
	"YOU MAY HAVE ALREADY WON TEN MILLION DOLLARS, BUT I DOUBT\r\n"
	"IT!  SO JUST POST THIS TO SIX HUNDRED NEWSGROUPS!  IT WILL\r\n"
	"GUARANTEE THAT YOU GET AT LEAST FIVE RESPONSES WITH MONEY!\r\n"
	"MONEY! MONEY! COLD HARD CASH!  YOU WILL RECEIVE OVER\r\n"
	"$20,000 IN LESS THAN TWO MONTHS!  AND IT'S LEGAL!!!!!!!!!\r\n"
	"!!!!!!!!!!!!!!!!!!111111111!!!!!!!11111111111!!1  JUST\r\n"
	"SEND $5 IN SMALL, UNMARKED BILLS TO THE ADDRESSES BELOW!\r\n";

static const char plain[] =
	"From: Anna <anna@elsewhere.test>\r\n"
	"To: \"Joe\" <Joe+Shop@Example.test>, friends: bob@a.test, carl@b.test;\r\n"
	"Cc: nobody\r\n"
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus?=\r\n"
	" =?utf-8?q?_K=C3=B6ln?= [list] 10\r\n"
	"Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0100\r\n"
	"Received: from c by d; Sat, 21 Nov 2026 23:30:00 -0500\r\n"
	"Date: Sun, 22 Nov 2026 02:30:05 +0100\r\n"
	"X-Empty:\r\n"
	"X-Number: 0042 apples\r\n"
	"\r\n"
	"Hello Joe\r\n";

static const char mixed[] =
	"From: anna@elsewhere.test\r\nTo: joe@example.test\r\nMIME-Version: 1.0\r\n"
	"Content-Type: multipart/mixed; boundary=outer\r\n\r\n"
	"This is a prologue.\r\n"
	"--outer\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	"Gr=FC=DFe\r\n"
	"--outer\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	"PGI+ZmF0PC9iPiBjYXQgPGkgdGl0bGU9ImhpZGRlbiI+PC9pPg==\r\n"
	"--outer\r\nContent-Type: message/rfc822\r\n\r\n"
	"From: inner@a.test\r\nSubject: inside\r\n\r\ninnermost text\r\n"
	"--outer\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	"c2VjcmV0IGJ5dGVz\r\n"
	"--outer--\r\nThis is an epilogue.\r\n";

#define R(list) "require [" list "];\n"

struct run {
	const char *script, *result;
};

static void run_all(const struct run *cases, size_t n, const char *message)
{
	for (size_t i = 0; i < n; i++) {
		struct sieve_fake f;
		struct slice script = slice_str(cases[i].script);
		fake_init(&f);
		const char *got = fake_run(&f, &script, 1, slice_str(message));
		if (strcmp(got, cases[i].result) != 0)
			fail_msg("%s\n  gave     %s\n  expected %s", cases[i].script, got, cases[i].result);
		fake_fini(&f);
	}
}

#define RUN_ALL(cases, message) run_all(cases, ARRAY_SIZE(cases), message)

/* RFC 5228 9 */
#define EXTENDED                                                                                                     \
	"#\n# Example Sieve Filter\n# Declare any optional features or extension used by the script\n#\n"            \
	"require [\"fileinto\"];\n"                                                                                  \
	"#\n# Handle messages from known mailing lists\n# Move messages from IETF filter discussion list to filter mailbox\n#\n" \
	"if header :is \"Sender\" \"owner-ietf-mta-filters@imc.org\"\n"                                              \
	"        {\n        fileinto \"filter\";  # move to \"filter\" mailbox\n        }\n"                          \
	"#\n# Keep all messages to or from people in my company\n#\n"                                                \
	"elsif address :DOMAIN :is [\"From\", \"To\"] \"example.com\"\n"                                              \
	"        {\n        keep;               # keep in \"In\" mailbox\n        }\n"                                \
	"#\n# Try and catch unsolicited email.  If a message is not to me,\n# or it contains a subject known to be spam, file it away.\n#\n" \
	"elsif anyof (NOT address :all :contains\n"                                                                  \
	"               [\"To\", \"Cc\", \"Bcc\"] \"me@example.com\",\n"                                               \
	"             header :matches \"subject\"\n"                                                                 \
	"               [\"*make*money*fast*\", \"*university*dipl*mas*\"])\n"                                        \
	"        {\n        fileinto \"spam\";   # move to \"spam\" mailbox\n        }\n"                             \
	"else\n        {\n        # Move all other (non-company) mail to \"personal\"\n        # mailbox.\n"           \
	"        fileinto \"personal\";\n        }\n"

static void rfc5228_examples(void **state)
{
	static const struct run over_a[] = {
		{ EXTENDED, "fileinto spam" },
		/* 3.1 */
		{ R("\"fileinto\"") "if header :contains \"from\" \"coyote\" { discard; } elsif header :contains [\"subject\"] [\"$$$\"] { discard; } else { fileinto \"INBOX\"; }",
		  "discard" },
		{ "if header :contains [\"From\"] [\"coyote\"] { redirect \"acm@example.com\"; } elsif header :contains \"Subject\" \"$$$\" { redirect \"postmaster@example.com\"; } else { redirect \"field@example.com\"; }",
		  "redirect acm@example.com" },
		/* 4.2, 4.4 */
		{ "redirect \"bart@example.com\";", "redirect bart@example.com" },
		{ "if header :contains [\"from\"] [\"idiot@example.com\"] { discard; }", "keep" },
		/* 5.1 */
		{ "if address :is :all \"from\" \"tim@example.com\" { discard; }", "keep" },
		/* 5.7: values are trimmed, and a missing field matches nothing */
		{ "if header :is [\"X-Nothing\"] [\"\"] { discard; }", "keep" },
		/* 5.9 */
		{ "if not exists [\"From\",\"Date\"] { discard; }", "keep" },
	};
	static const struct run over_b[] = {
		{ "if header :contains \"from\" \"coyote\" { discard; } elsif header :contains [\"subject\"] [\"$$$\"] { discard; }", "discard" },
		{ "if header :contains [\"From\"] [\"coyote\"] { redirect \"acm@example.com\"; } elsif header :contains \"Subject\" \"$$$\" { redirect \"postmaster@example.com\"; }",
		  "redirect postmaster@example.com" },
		{ "if anyof (header :contains [\"Subject\"] \"million\", size :over 100M) { discard; }", "discard" },
		{ "if size :over 100 { if size :under 1K { discard; } }", "discard" },
	};
	RUN_ALL(over_a, message_a);
	RUN_ALL(over_b, message_b);
}

/* RFC 5228 5.7's table of X-Caffeine: C8H10N4O2, and an empty one. */
static void rfc5228_header_table(void **state)
{
	static const struct run cases[] = {
		{ "if header :is \"X-Caffeine\" \"\" { discard; }", "keep" },
		{ "if header :contains \"X-Caffeine\" \"\" { discard; }", "discard" },
		{ "if header :is \"X-Tea\" \"\" { discard; }", "discard" },
		{ "if header :contains \"X-Tea\" \"\" { discard; }", "discard" },
		{ "if header :contains \"X-Water\" \"\" { discard; }", "keep" },
	};
	RUN_ALL(cases, "X-Caffeine: C8H10N4O2\r\nX-Tea:   \r\n\r\n");
}

static void actions(void **state)
{
	static const struct run cases[] = {
		{ "", "keep" }, { "keep; keep;", "keep" }, { "discard;", "discard" }, { "discard; keep;", "keep" },
		{ "stop; discard;", "keep" },
		{ R("\"fileinto\"") "fileinto \"a\"; fileinto \"a\"; fileinto \"b\";", "fileinto a; fileinto b" },
		{ R("\"fileinto\"") "fileinto \"inbox\"; keep;", "keep" },
		{ R("\"fileinto\",\"copy\"") "fileinto :copy \"a\";", "fileinto a; keep" },
		{ R("\"fileinto\",\"mailbox\"") "fileinto :create \"a/b\";", "fileinto a/b create" },
		{ R("\"fileinto\",\"mailbox\"") "if mailboxexists [\"INBOX\", \"Archive\"] { fileinto \"Archive\"; }", "fileinto Archive" },
		{ R("\"fileinto\",\"mailbox\"") "if mailboxexists [\"INBOX\", \"Nope\"] { fileinto \"Nope\"; }", "keep" },
		{ "if anyof (header :contains [\"subject:\", \"\", \" subject\", \"sub ject\"] \"\", exists \"from:\", address :contains \"from:\" \"\") { discard; }", "keep" },
		{ R("\"copy\"") "redirect :copy \"a@b.test\"; redirect \"A@B.test\";", "redirect a@b.test" },
		{ R("\"variables\"") "set \"x\" \"Ann Bee < a@b.test >\"; redirect \"${x}\"; redirect \"\\\"Bee, Ann <x>\\\" <A@b.test>\";", "redirect a@b.test" },
		{ R("\"copy\"") "redirect :copy \"a@b.test\";", "redirect a@b.test; keep" },
		{ "redirect \"a@b.test\"; redirect \"b@b.test\"; redirect \"c@b.test\"; redirect \"d@b.test\";",
		  "redirect a@b.test; redirect b@b.test; redirect c@b.test; redirect d@b.test" },
		{ "redirect \"a@b.test\"; redirect \"b@b.test\"; redirect \"c@b.test\"; redirect \"d@b.test\";\nredirect \"e@b.test\";",
		  "keep failed: line 2, column 1: there are too many redirects: \"e@b.test\" is one more" },
		{ R("\"reject\"") "reject text:\n.. no\nmore\n.\n;", "reject . no\r\nmore\r\n" },
		{ R("\"ereject\"") "ereject \"no\"; stop;", "ereject no" },
		{ R("\"reject\"") "reject \"no\"; keep;", "keep failed: line 2, column 14: a refusal cannot be joined with another action" },
		{ R("\"reject\",\"fileinto\"") "fileinto \"a\"; reject \"no\";", "keep failed: line 2, column 15: a refusal cannot be joined with another action" },
		{ R("\"reject\",\"vacation\"") "reject \"no\"; vacation \"away\";", "keep failed: line 2, column 14: a refusal cannot be joined with another action" },
		{ R("\"reject\",\"vacation\"") "vacation \"away\"; reject \"no\";", "keep failed: line 2, column 18: a refusal cannot be joined with another action" },
		{ "redirect \"Ann < a @ b.test >\"; redirect \"a@b.test\";", "redirect a@b.test" },
		{ "if allof (true, not false, anyof (false, true)) { discard; }", "discard" },
		{ "if false { discard; } elsif false { discard; } else { stop; } discard;", "keep" },
		{ "if true { } else { discard; } if false { } else { keep; }", "keep" },
	};
	RUN_ALL(cases, plain);
}

static void header_and_address(void **state)
{
	static const struct run cases[] = {
		{ "if header :is \"subject\" \"Gr\xc3\xbc\xc3\x9f" "e aus K\xc3\xb6ln [list] 10\" { discard; }", "discard" },
		{ "if header :is \"subject\" \"gR\xc3\xbc\xc3\x9f" "E AUS k\xc3\xb6LN [LIST] 10\" { discard; }", "discard" },
		{ "if header :comparator \"i;octet\" :contains \"subject\" \"[LIST]\" { discard; }", "keep" },
		{ "if header :matches \"subject\" \"*K?ln \\\\[list\\\\] ??\" { discard; }", "discard" },
		{ "if header :matches \"subject\" \"Gr\" { discard; }", "keep" },
		{ "if header :matches \"subject\" \"*\" { discard; }", "discard" },
		{ "if header :matches \"X-Empty\" \"*\" { discard; }", "discard" },
		{ "if header :matches \"X-Empty\" \"?\" { discard; }", "keep" },
		{ "if header :is [\"a\", \"x-number\"] [\"b\", \"0042 apples\"] { discard; }", "discard" },
		{ R("\"comparator-i;ascii-numeric\"") "if header :comparator \"i;ascii-numeric\" \"x-number\" \"42\" { discard; }", "discard" },
		{ R("\"comparator-i;ascii-numeric\"") "if header :comparator \"i;ascii-numeric\" \"x-empty\" \"nonsense\" { discard; }", "discard" },
		{ "if address :all \"to\" \"joe+shop@example.test\" { discard; }", "discard" },
		{ "if address :localpart \"to\" \"carl\" { discard; }", "discard" },
		{ "if address :domain \"to\" [\"a.test\"] { discard; }", "discard" },
		{ "if address :domain \"to\" [\"friends\", \"c.test\"] { discard; }", "keep" },
		{ "if address :contains \"cc\" \"\" { discard; }", "keep" },
		{ R("\"subaddress\"") "if address :user \"to\" \"joe\" { discard; }", "discard" },
		{ R("\"subaddress\"") "if address :detail \"to\" \"shop\" { discard; }", "discard" },
		{ R("\"subaddress\"") "if address :detail :contains \"from\" \"\" { discard; }", "keep" },
		{ R("\"envelope\"") "if envelope :all \"from\" \"anna@elsewhere.test\" { discard; }", "discard" },
		{ R("\"envelope\",\"subaddress\"") "if envelope :detail [\"from\",\"to\"] \"shop\" { discard; }", "discard" },
		{ R("\"envelope\"") "if envelope :domain \"to\" \"elsewhere.test\" { discard; }", "keep" },
		{ R("\"index\"") "if header :index 2 :contains \"received\" \"from c\" { discard; }", "discard" },
		{ R("\"index\"") "if header :index 1 :last :contains \"received\" \"from c\" { discard; }", "discard" },
		{ R("\"index\"") "if header :index 3 :contains \"received\" \"from\" { discard; }", "keep" },
		{ R("\"encoded-character\"") "if header :contains \"subject\" \"K${unicode: f6}ln${hex:20 5B}\" { discard; }", "discard" },
	};
	RUN_ALL(cases, plain);
}

/* RFC 5228 2.4.2.4, its table of encoded characters; each right one is compared with what it stands for. */
static void rfc5228_encoded(void **state)
{
	static const char *const cases[][2] = {
		{ "$${hex:40}", "$@" }, { "${hex: 40 }", "@" }, { "${HEX: 40}", "@" }, { "${hex:40", "${hex:40" },
		{ "${hex:400}", "${hex:400}" }, { "${hex:4${hex:30}}", "${hex:40}" }, { "${unicode:40}", "@" },
		{ "${ unicode:40}", "${ unicode:40}" }, { "${UNICODE:40}", "@" }, { "${UnICoDE:0000040}", "@" },
		{ "${Unicode:Cool}", "${Unicode:Cool}" }, { "${hex:24 24}", "$$" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sieve_fake f;
		struct buf text = BUF_INIT(1000), expected = BUF_INIT(1000);
		buf_printf(&text, "require [\"reject\", \"encoded-character\"]; reject \"%s\";", cases[i][0]);
		buf_printf(&expected, "reject %s", cases[i][1]);
		struct slice script = buf_view(&text);
		fake_init(&f);
		assert_string_equal(fake_run(&f, &script, 1, slice_str(plain)), buf_cstr(&expected));
		fake_fini(&f);
		buf_fini(&text);
		buf_fini(&expected);
	}
}

/* RFC 5231 */
static void relational(void **state)
{
	static const struct run cases[] = {
		{ R("\"relational\",\"comparator-i;ascii-numeric\"") "if header :value \"gt\" :comparator \"i;ascii-numeric\" [\"x-number\"] [\"41\"] { discard; }", "discard" },
		{ R("\"relational\",\"comparator-i;ascii-numeric\"") "if header :value \"lt\" :comparator \"i;ascii-numeric\" [\"x-number\"] [\"42\"] { discard; }", "keep" },
		{ R("\"relational\",\"comparator-i;ascii-numeric\"") "if header :value \"ge\" :comparator \"i;ascii-numeric\" [\"x-empty\"] [\"99999999999999999999999\"] { discard; }", "discard" },
		{ R("\"relational\"") "if header :value \"ne\" [\"x-number\"] [\"x\"] { discard; }", "discard" },
		{ R("\"relational\",\"comparator-i;ascii-numeric\"") "if address :count \"eq\" :comparator \"i;ascii-numeric\" [\"to\", \"cc\"] [\"3\"] { discard; }", "discard" },
		{ R("\"relational\",\"comparator-i;ascii-numeric\"") "if header :count \"ge\" :comparator \"i;ascii-numeric\" [\"received\"] [\"3\"] { discard; }", "keep" },
		{ R("\"relational\",\"comparator-i;ascii-numeric\"") "if header :count \"eq\" :comparator \"i;ascii-numeric\" [\"x-nothing\"] [\"0\"] { discard; }", "discard" },
		{ R("\"relational\",\"envelope\"") "if envelope :count \"eq\" [\"from\", \"to\"] \"2\" { discard; }", "discard" },
	};
	RUN_ALL(cases, plain);
}

#define FV R("\"fileinto\",\"variables\"")
/* RFC 5229 3, 4, and 3.2's examples */
static void variables(void **state)
{
	static const struct run cases[] = {
		{ FV "set \"company\" \"ACME\"; fileinto \"${company}-${COMPANY}\";", "fileinto ACME-ACME" },
		{ FV "set \"company\" \"ACME\"; fileinto \"&%${}!-${company\";", "fileinto &%${}!-${company" },
		{ FV "set \"a\" \"x\"; set \"b\" \"${a}${doh}y\"; fileinto \"${b}\";", "fileinto xy" },
		{ FV "if header :matches \"Subject\" \"*[*] *\" { fileinto \"${2}-${3}-${4}\"; }", "fileinto list-10-" },
		{ FV "if address :matches [\"To\", \"Cc\"] [\"coyote@**.com\", \"joe+*@**.test\"] { fileinto \"INBOX/business/${2}|${1}|${3}\"; }",
		  "fileinto INBOX/business/|Shop|Example" },
		{ FV "if header :matches \"Subject\" \"?r?*e*\" { set \"m\" \"${1}|${2}|${3}\"; } if header :matches \"Subject\" \"nothing*\" {} fileinto \"${m}|${1}\";",
		  "fileinto G|\xc3\xbc|\xc3\x9f|G" },
		{ FV "set :upper \"a\" \"juMBlEd lETteRS\"; set :lowerfirst :upper \"b\" \"${a}\"; fileinto \"${b}\";", "fileinto jUMBLED LETTERS" },
		{ FV "set \"a\" \"juMBlEd lETteRS\"; set :length \"b\" \"${a}\"; fileinto \"${b}\";", "fileinto 15" },
		{ FV "set \"a\" \"juMBlEd lETteRS\"; set :lower \"b\" \"${a}\"; set :upperfirst :lower \"c\" \"${a}\"; fileinto \"${b} ${c}\";",
		  "fileinto jumbled letters Jumbled letters" },
		{ FV "set :quotewildcard \"b\" \"Rock*?\\\\\"; fileinto \"${b}\";", "fileinto Rock\\*\\?\\\\" },
		{ FV "set \"a\" \"\xc3\xa4\xc3\xb6\"; set :length \"b\" \"${a}\"; if string \"${b}\" \"2\" { discard; }", "discard" },
		{ FV "set \"state\" \"${state} pending\"; if string :matches \" ${state} \" \"* pending *\" { discard; }", "discard" },
		{ R("\"variables\",\"relational\"") "if string :count \"eq\" [\"a\", \"\", \"${x}\"] \"1\" { discard; }", "discard" },
		{ FV "fileinto \"${x}\";", "keep failed: line 2, column 1: \"\" cannot be the name of a mailbox" },
		{ R("\"variables\"") "set \"x\" \"no address\"; redirect \"${x}\";", "keep failed: line 2, column 23: \"no address\" is not a mail address" },
		{ R("\"variables\",\"encoded-character\",\"fileinto\"") "set \"a\" \"v\"; fileinto \"${hex:24}{a}${unicode:24}\";", "fileinto v$" },
	};
	RUN_ALL(cases, plain);
}

#define FL R("\"fileinto\",\"variables\",\"imap4flags\",\"relational\"")
/* RFC 5232 */
static void flags(void **state)
{
	static const struct run cases[] = {
		{ FL "setflag \"\\\\Deleted\"; fileinto \"a\"; addflag [\"\\\\Flagged\", \"x y\"]; keep;", "fileinto a \\Deleted; keep \\Deleted \\Flagged x y" },
		{ FL "addflag \"\\\\Seen \\\\seen\"; addflag \"\\\\SEEN\";", "keep \\Seen" },
		{ FL "addflag \"a b c\"; removeflag \"B\"; fileinto :flags [\"d\", \"d e\"] \"x\"; keep;", "fileinto x d e; keep a c" },
		{ FL "setflag \"myflags\" [\"a\", \"b\"]; addflag \"myflags\" \"c\"; removeflag \"myflags\" \"a\"; keep :flags \"${myflags}\";", "keep b c" },
		{ FL "keep :flags \"\";", "keep" },
		{ FL "setflag [\"a b\", \"c\"]; if hasflag :contains \"b\" { discard; }", "discard" },
		{ FL "setflag \"a b\"; if hasflag :is \"x A\" { discard; }", "discard" },
		{ FL "setflag \"NotJunk\"; if hasflag :contains \" forward  junk \" { discard; }", "discard" },
		{ FL "setflag \"a\"; if hasflag :contains \" \" { discard; }", "keep a" },
		{ FL "setflag \"v\" \"a b\"; if hasflag :count \"ge\" \"v\" \"2\" { discard; }", "discard" },
		{ FL "setflag \"v\" \"a b\"; if hasflag [\"w\", \"v\"] [\"x\", \"B\"] { discard; }", "discard" },
		{ FL "set \"x\" \"\\\\Recent ${unknown} ok\"; addflag \"${x}\";", "keep ok" },
	};
	RUN_ALL(cases, plain);
}

#define D R("\"date\",\"relational\",\"index\"")
/* RFC 5260; the clock stands at 2026-11-22 03:50:00 UTC, the zone is +0100. */
static void dates(void **state)
{
	static const struct run cases[] = {
		{ D "if date \"date\" \"date\" \"2026-11-22\" { discard; }", "discard" },
		{ D "if date :zone \"+0000\" \"date\" \"hour\" \"01\" { discard; }", "discard" },
		{ D "if date :zone \"-0800\" \"date\" \"date\" \"2026-11-21\" { discard; }", "discard" },
		{ D "if date :originalzone \"date\" \"iso8601\" \"2026-11-22T02:30:05+01:00\" { discard; }", "discard" },
		{ D "if date :originalzone :index 2 \"received\" \"std11\" \"Sat, 21 Nov 2026 23:30:00 -0500\" { discard; }", "discard" },
		{ D "if date :index 2 \"received\" \"time\" \"05:30:00\" { discard; }", "discard" },
		{ D "if date \"subject\" \"year\" \"*\" { discard; }", "keep" },
		{ D "if date \"x-nothing\" :matches \"year\" \"*\" { discard; }", "keep" },
		{ D "if date :zone \"+0000\" \"date\" \"julian\" \"61366\" { discard; }", "discard" },
		{ D "if currentdate \"weekday\" \"0\" { discard; }", "discard" },
		{ D "if currentdate :zone \"-0800\" \"weekday\" \"6\" { discard; }", "discard" },
		{ D "if currentdate \"hour\" \"04\" { discard; }", "discard" },
		{ D "if currentdate \"zone\" \"+0100\" { discard; }", "discard" },
		{ D "if currentdate :zone \"-0330\" \"zone\" \"-0330\" { discard; }", "discard" },
		{ D "if allof(currentdate :value \"ge\" \"date\" \"2026-11-22\", currentdate :value \"lt\" \"date\" \"2026-11-23\") { discard; }", "discard" },
		{ D "if currentdate :zone \"+0000\" :value \"lt\" \"iso8601\" \"2026-11-22T03:50:00+00:00\" { discard; }", "keep" },
		{ D "if currentdate :zone \"+0000\" :value \"le\" \"iso8601\" \"2026-11-22T03:50:00+00:00\" { discard; }", "discard" },
		{ D "if allof(currentdate \"year\" \"2026\", currentdate \"month\" \"11\", currentdate \"day\" \"22\", currentdate \"minute\" \"50\", currentdate \"second\" \"00\") { discard; }", "discard" },
	};
	RUN_ALL(cases, plain);
}

#define B R("\"body\",\"relational\",\"variables\",\"fileinto\"")
/* RFC 5173 */
static void bodies(void **state)
{
	static const struct run cases[] = {
		{ B "if body :raw :contains \"Gr=FC\" { discard; }", "discard" },
		{ B "if body :raw :contains \"Content-Type: multipart\" { discard; }", "keep" },
		{ B "if body :text :contains \"gr\xc3\xbc\xc3\x9f" "e\" { discard; }", "discard" },
		{ B "if body :contains \"fat cat\" { discard; }", "discard" },
		{ B "if body :contains \"hidden\" { discard; }", "keep" },
		{ B "if body :content \"text/html\" :contains \"<b>fat</b>\" { discard; }", "discard" },
		{ B "if body :content \"application\" :contains \"secret bytes\" { discard; }", "discard" },
		{ B "if body :content \"text\" :contains \"secret bytes\" { discard; }", "keep" },
		{ B "if body :content \"message\" :contains \"subject: inside\" { discard; }", "discard" },
		{ B "if body :content \"message\" :contains \"innermost\" { discard; }", "keep" },
		{ B "if body :content \"\" :contains \"innermost\" { discard; }", "discard" },
		{ B "if body :content \"multipart\" :contains \"prologue\" { discard; }", "discard" },
		{ B "if body :content \"multipart\" :matches \"This is an epilogue.*\" { discard; }", "discard" },
		{ B "if body :content \"multipart\" :contains \"outer\" { discard; }", "keep" },
		{ B "if body :content [\"text/\", \"/plain\", \"text/plain/x\"] :contains \"\" { discard; }", "keep" },
		{ B "if header :matches \"from\" \"*@*\" {} if body :matches \"*cat*\" { fileinto \"${1}\"; }", "fileinto anna" },
		{ B "if body :count \"eq\" :content \"text\" \"3\" { discard; }", "discard" },
	};
	RUN_ALL(cases, mixed);
	/* An empty body is one, no body is none. */
	static const struct run empty[] = {
		{ B "if body :raw :contains \"\" { discard; }", "discard" },
		{ B "if body :raw :is \"\" { discard; }", "discard" },
		{ B "if body :count \"eq\" :raw \"1\" { discard; }", "discard" },
	};
	static const struct run absent[] = {
		{ B "if anyof (body :raw :contains \"\", body :raw :is \"\", body :raw :matches \"*\") { discard; }", "keep" },
		{ B "if anyof (body :contains \"\", body :content \"\" :contains \"\") { discard; }", "keep" },
		{ B "if body :count \"eq\" :raw \"0\" { discard; }", "discard" },
	};
	RUN_ALL(empty, "Subject: x\r\n\r\n");
	RUN_ALL(empty, "\r\n");
	RUN_ALL(absent, "Subject: x\r\n");
	RUN_ALL(absent, "Subject: x");
	/* The fields of a message within, and not the line that ends them. */
	static const struct run within[] = {
		{ B "if body :content \"message\" :is \"Subject: y\r\n\" { discard; }", "discard" },
	};
	RUN_ALL(within, "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nbody\r\n");
}

static void xhtml(void **state)
{
	static const char message[] = "Content-Type: application/xhtml+xml; charset=utf-8\r\n\r\n<p class=\"fat\">Gr\xc3\xbc\xc3\x9f" "e</p>\r\n";
	static const struct run cases[] = {
		{ B "if body :text :contains \"gr\xc3\xbc\xc3\x9f" "e\" { discard; }", "discard" },
		{ B "if body :text :contains \"fat\" { discard; }", "keep" },
		{ B "if body :content \"application/xhtml+xml\" :contains \"fat\" { discard; }", "discard" },
		{ B "if body :content \"text\" :contains \"\" { discard; }", "keep" },
	};
	RUN_ALL(cases, message);
}

#define V R("\"vacation\",\"vacation-seconds\",\"variables\"")
static void vacation(void **state)
{
	static const struct run cases[] = {
		{ V "vacation \"away\";", "vacation away [Auto: Gr\xc3\xbc\xc3\x9f" "e aus K\xc3\xb6ln [list] 10] 604800 to anna@elsewhere.test from ; keep" },
		{ V "vacation :days 3 :subject \"Gone\nBcc: x\" :from \"Joe <joe@example.test>\" \"away\"; discard;", "vacation away [Gone  Bcc: x] 259200 to anna@elsewhere.test from Joe <joe@example.test>" },
		{ V "vacation :from \"boss@example.test\" :subject \"x\" :mime \"away\";", "vacation away [x] 604800 to anna@elsewhere.test from  mime; keep" },
		{ V "vacation :from \"boss@example.test\" :addresses \"boss@example.test\" :subject \"x\" \"away\";", "vacation away [x] 604800 to anna@elsewhere.test from ; keep" },
		{ V "vacation :subject \"x\" :days 0 \"away\";", "vacation away [x] 86400 to anna@elsewhere.test from ; keep" },
		{ V "vacation :subject \"x\" :days 4000000000000 \"away\";", "vacation away [x] 31622400 to anna@elsewhere.test from ; keep" },
		{ V "vacation :subject \"x\" :seconds 0 \"away\";", "vacation away [x] 60 to anna@elsewhere.test from ; keep" },
		{ V "vacation :subject \"x\" :seconds 1800 \"away\";", "vacation away [x] 1800 to anna@elsewhere.test from ; keep" },
		{ V "vacation \"a\"; vacation \"b\";", "keep failed: line 2, column 15: vacation can run once only for a message" },
		{ V "if header :matches \"subject\" \"* *\" { vacation :subject \"${1}\" \"on ${1}\"; }", "vacation on Gr\xc3\xbc\xc3\x9f" "e [Gr\xc3\xbc\xc3\x9f" "e] 604800 to anna@elsewhere.test from ; keep" },
	};
	RUN_ALL(cases, plain);
}

/* RFC 3834 2, RFC 5230 4.5, 4.6: what gets no reply. */
static void no_reply(void **state)
{
	static const struct {
		const char *sender, *header;
		bool junk, reply;
	} cases[] = {
		{ "a@b.test", "To: joe@example.test\r\n", false, true },
		{ "a@b.test", "Cc: <JOE@Example.TEST>\r\n", false, true },
		{ "a@b.test", "Bcc: joe+x@example.test\r\n", false, true },
		{ "a@b.test", "Resent-To: joe@example.test\r\n", false, true },
		{ "a@b.test", "To: list@lists.test, x: joe@example.test;\r\n", false, true },
		{ "a@b.test", "To: alias@example.test\r\n", false, true },	/* :addresses */
		{ "a@b.test", "To: someone@example.test\r\n", false, false },
		{ "a@b.test", "", false, false },
		{ "", "To: joe@example.test\r\n", false, false },
		{ "a@b.test", "To: joe@example.test\r\n", true, false },
		{ "joe@example.test", "To: joe@example.test\r\n", false, false },
		{ "joe+a@example.test", "To: joe@example.test\r\n", false, false },
		{ "alias@example.test", "To: joe@example.test\r\n", false, false },
		{ "MAILER-DAEMON@b.test", "To: joe@example.test\r\n", false, false },
		{ "owner-list@b.test", "To: joe@example.test\r\n", false, false },
		{ "list-owner@b.test", "To: joe@example.test\r\n", false, false },
		{ "list-request@b.test", "To: joe@example.test\r\n", false, false },
		{ "list-bounces@b.test", "To: joe@example.test\r\n", false, false },
		{ "listserv@b.test", "To: joe@example.test\r\n", false, false },
		{ "a@b.test", "To: joe@example.test\r\nAuto-Submitted: no\r\n", false, true },
		{ "a@b.test", "To: joe@example.test\r\nAuto-Submitted: No (really); x=y\r\n", false, false },
		{ "a@b.test", "To: joe@example.test\r\nAuto-Submitted: auto-replied\r\n", false, false },
		{ "a@b.test", "To: joe@example.test\r\nauto-submitted: auto-generated; x=y\r\n", false, false },
		{ "a@b.test", "To: joe@example.test\r\nList-Id: <l.b.test>\r\n", false, false },
		{ "a@b.test", "To: joe@example.test\r\nList-Unsubscribe: <mailto:x@b.test>\r\n", false, false },
		{ "a@b.test", "To: joe@example.test\r\nPrecedence: Bulk\r\n", false, false },
		{ "a@b.test", "To: joe@example.test\r\nPrecedence: first-class\r\n", false, true },
		{ "a@b.test", "To: joe@example.test\r\nX-Auto-Response-Suppress: OOF\r\n", false, false },
		{ "a@b.test", "To: joe@example.test\r\nX-Auto-Response-Suppress: None\r\n", false, true },
	};
	static const char text[] = "require \"vacation\"; vacation :addresses \"alias@example.test\" \"x\";";
	const struct slice script = slice_str(text);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sieve_fake f;
		struct buf message = BUF_INIT(4096);
		fake_init(&f);
		buf_printf(&message, "From: x@y.test\r\n%s\r\nHi\r\n", cases[i].header);
		f.env.sender = slice_str(cases[i].sender);
		f.env.junk = cases[i].junk;
		const char *got = fake_run(&f, &script, 1, buf_view(&message));
		if (slice_starts(slice_str(got), SLICE("vacation")) != cases[i].reply || f.result.failed)
			fail_msg("case %zu gave %s", i, got);
		fake_fini(&f);
		buf_fini(&message);
	}
}

/* RFC 5230 4.7: what makes two replies the same. */
static void handles(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "vacation \"x\";", "keep; vacation :days 3 \"x\";", true },
		{ "vacation \"x\";", "vacation \"y\";", false },
		{ "vacation :subject \"s\" \"x\";", "vacation \"x\";", false },
		{ "vacation :mime \"x\";", "vacation \"x\";", false },
		{ "vacation :handle \"h\" \"x\";", "vacation :subject \"s\" :handle \"h\" \"y\";", true },
		{ "vacation :handle \"h\" \"x\";", "vacation :handle \"i\" \"x\";", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sieve_fake f[2];
		struct slice handle[2];
		for (int k = 0; k < 2; k++) {
			struct buf text = BUF_INIT(1000);
			buf_printf(&text, "require \"vacation\"; %s", k ? cases[i].b : cases[i].a);
			struct slice script = buf_view(&text);
			fake_init(&f[k]);
			fake_run(&f[k], &script, 1, slice_str(plain));
			for (size_t j = 0; j < f[k].result.n_actions; j++)
				if (f[k].result.actions[j].kind == SIEVE_VACATION)
					handle[k] = f[k].result.actions[j].handle;
			buf_fini(&text);
		}
		assert_int_equal(slice_eq(handle[0], handle[1]), cases[i].same);
		fake_fini(&f[0]);
		fake_fini(&f[1]);
	}
}

#define S(x) { (const uint8_t *)(x), sizeof(x) - 1 }

/* RFC 6609 */
static void includes(void **state)
{
	static const struct slice library[] = {
		S("file"), S("require \"fileinto\"; fileinto \"from-file\";"),
		S("stop"), S("stop;"),
		S("back"), S("require [\"include\",\"fileinto\"]; return; fileinto \"never\";"),
		S("count"), S("require [\"include\",\"variables\",\"fileinto\"]; global \"n\"; set \"n\" \"${n}x\"; set \"local\" \"seen\"; fileinto \"${n}${other}\";"),
		S("loop"), S("require \"include\"; include \"loop\";"),
		S("ring1"), S("require \"include\"; include \"ring2\";"),
		S("ring2"), S("require \"include\"; include \"ring1\";"),
		S("fails"), S("require [\"variables\",\"fileinto\"]; set \"x\" \"a//b\";\nfileinto \"${x}\";"),
		S("cross"), S("require \"fileinto\"; fileinto \"c\";"),
		S("broken"), S("nonsense"),
		S("captures"), S("require [\"variables\",\"fileinto\"]; fileinto \"c${1}\";"),
	};
	/* The same name may be there twice: once the mailbox's, once its domain's. */
	static const struct slice global[] = {
		S("shared"), S("require \"fileinto\"; fileinto \"from-global\";"),
		S("file"), S("require \"fileinto\"; fileinto \"from-other\";"),
		S("own"), S("require \"include\"; include :personal \"file\";"),
		S("only"), S("keep;"),
		S("loop"), S("require \"include\"; include :global \"loop\";"),
		S("cross"), S("require \"include\"; include :personal \"cross\";"),
	};
	static const struct run cases[] = {
		{ R("\"include\"") "include \"file\";", "fileinto from-file" },
		{ R("\"include\"") "include :personal \"stop\"; discard;", "keep" },
		{ R("\"include\"") "include \"back\"; discard;", "discard" },
		{ R("\"include\"") "return; discard;", "keep" },
		{ R("\"include\"") "include \"nothing\";", "keep failed: line 2, column 1: there is no script \"nothing\" to include" },
		{ R("\"include\"") "include :optional \"nothing\"; discard;", "discard" },
		{ R("\"include\"") "discard; include :optional \"broken\";", "keep failed: line 2, column 10: the included script \"broken\" has an error" },
		{ R("\"include\"") "include \"loop\";", "keep failed: in loop: line 1, column 20: the script \"loop\" includes itself" },
		{ R("\"include\"") "include \"ring1\";", "keep failed: in ring2: line 1, column 20: the script \"ring1\" includes itself" },
		{ R("\"include\"") "include \"file\"; include :once \"file\"; include \"fails\";", "keep failed: in fails: line 2, column 1: \"a//b\" cannot be the name of a mailbox" },
		{ R("\"include\"") "include :global \"shared\";", "fileinto from-global" },
		{ R("\"include\"") "include :global \"own\";", "fileinto from-file" },
		{ R("\"include\"") "include :global \"only\"; include :personal \"only\";", "keep failed: line 2, column 25: there is no script \"only\" to include" },
		{ R("\"include\"") "include :global :once \"file\"; include :once :personal \"file\"; include :once :global \"file\";", "fileinto from-other; fileinto from-file" },
		{ R("\"include\"") "include :global \"file\"; include :personal \"file\";", "fileinto from-other; fileinto from-file" },
		{ R("\"include\"") "include :global :optional \"gone\"; discard;", "discard" },
		{ R("\"include\"") "include :global \"loop\";", "keep failed: in loop: line 1, column 20: the script \"loop\" includes itself" },
		{ R("\"include\"") "include :global \"cross\";", "fileinto c" },
		{ R("\"include\",\"variables\",\"fileinto\"") "global \"n\"; set \"n\" \"a\"; set \"other\" \"o\"; include \"count\"; include \"count\"; if string \"${local}\" \"\" { fileinto \"${n}|${global.n}\"; }",
		  "fileinto ax; fileinto axx; fileinto axx|axx" },
		{ R("\"include\",\"variables\",\"fileinto\"") "include :once \"count\"; include :once \"count\"; include \"count\";", "fileinto x; fileinto xx" },
		{ R("\"include\",\"variables\"") "if header :matches \"subject\" \"*\" { include \"captures\"; }", "fileinto c" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sieve_fake f;
		struct slice script = slice_str(cases[i].script);
		fake_init(&f);
		f.library = library;
		f.n_library = ARRAY_SIZE(library);
		f.global = global;
		f.n_global = ARRAY_SIZE(global);
		assert_string_equal(fake_run(&f, &script, 1, slice_str(plain)), cases[i].result);
		fake_fini(&f);
	}
}

/* Two scripts are one: the first one's actions stand, stop ends both, the failing one takes its own with it. */
static void sequences(void **state)
{
	static const struct {
		const char *first, *second, *result;
	} cases[] = {
		{ R("\"copy\"") "redirect :copy \"a@b.test\";", R("\"fileinto\"") "fileinto \"x\";", "redirect a@b.test; fileinto x" },
		{ "redirect \"a@b.test\"; stop;", "keep;", "redirect a@b.test" },
		{ R("\"include\"") "return;", "discard;", "discard" },
		{ R("\"copy\"") "redirect :copy \"a@b.test\";", R("\"fileinto\"") "fileinto \"x\"; redirect \"a@b.test\"; fileinto \"/\";",
		  "error" },
		{ R("\"copy\"") "redirect :copy \"a@b.test\";", R("\"fileinto\",\"variables\"") "fileinto \"x\"; fileinto \"${n}\";",
		  "redirect a@b.test; keep failed: line 2, column 15: \"\" cannot be the name of a mailbox" },
		{ R("\"vacation\"") "vacation :subject \"s\" \"first\";", R("\"vacation\"") "vacation :subject \"s\" \"second\";",
		  "vacation first [s] 604800 to anna@elsewhere.test from ; keep" },
		{ R("\"imap4flags\"") "addflag \"a\";", "keep;", "keep a" },
		{ R("\"variables\"") "set \"v\" \"x\";", R("\"variables\",\"fileinto\"") "fileinto \"n${v}\";", "fileinto n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sieve_fake f;
		struct slice scripts[2] = { slice_str(cases[i].first), slice_str(cases[i].second) };
		fake_init(&f);
		const char *got = fake_run(&f, scripts, 2, slice_str(plain));
		if (strcmp(cases[i].result, "error") == 0)
			assert_true(slice_starts(slice_str(got), SLICE("line ")));
		else
			assert_string_equal(got, cases[i].result);
		fake_fini(&f);
	}
}

/* The domain says what stands before the detail, if anything does. */
static void separators(void **state)
{
	static const struct {
		uint8_t separator;
		const char *result;
	} cases[] = { { '+', "keep" }, { '-', "discard" }, { 0, "keep" } };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sieve_fake f;
		struct slice script = SLICE("require [\"subaddress\", \"envelope\"]; if allof (envelope :user \"to\" \"joe\", "
					    "envelope :detail \"to\" \"a+b\") { discard; }");
		fake_init(&f);
		f.env.recipient = SLICE("joe-a+b@example.test");
		f.env.separator = cases[i].separator;
		assert_string_equal(fake_run(&f, &script, 1, slice_str(plain)), cases[i].result);
		fake_fini(&f);
	}
}

static void null_sender(void **state)
{
	struct sieve_fake f;
	struct slice script = SLICE("require \"envelope\"; if allof (envelope \"from\" \"\", envelope :domain \"from\" \"\", "
				    "not envelope :localpart \"from\" \"anna\") { discard; }");
	fake_init(&f);
	f.env.sender = SLICE("");
	assert_string_equal(fake_run(&f, &script, 1, slice_str(plain)), "discard");
	fake_fini(&f);
}

static void repeat(struct buf *b, const char *s, size_t n)
{
	while (n--)
		buf_str(b, s);
}

static const char *run_text(struct sieve_fake *f, struct buf *script, const char *message)
{
	struct slice s = buf_view(script);
	return fake_run(f, &s, 1, slice_str(message));
}

static void run_limits(void **state)
{
	for (unsigned over = 0; over <= 1; over++) {
		struct sieve_fake f;
		struct buf t = BUF_INIT(1 << 20);
		fake_init(&f);

		buf_str(&t, "require \"fileinto\";");
		for (unsigned i = 0; i < SIEVE_ACTIONS_MAX + over; i++)
			buf_printf(&t, "fileinto \"f%u\";", i);
		run_text(&f, &t, plain);
		assert_int_equal(f.result.failed, over);
		assert_int_equal(f.result.n_actions, over ? 1 : SIEVE_ACTIONS_MAX);

		buf_clear(&t);
		buf_str(&t, "require \"variables\";");
		for (unsigned i = 0; i < SIEVE_VARIABLES_MAX + over; i++)
			buf_printf(&t, "set \"v%u\" \"\";", i);
		run_text(&f, &t, plain);
		assert_int_equal(f.result.failed, over);

		/* A value is cut, which is no error (RFC 5229 6). */
		buf_clear(&t);
		buf_str(&t, "require \"variables\"; set \"v\" \"");
		repeat(&t, "x", SIEVE_VALUE_MAX + over);
		buf_printf(&t, "\"; set :length \"n\" \"${v}\"; if string \"${n}\" \"%d\" { discard; }", SIEVE_VALUE_MAX);
		assert_string_equal(run_text(&f, &t, plain), "discard");

		buf_clear(&t);
		buf_str(&t, "require \"imap4flags\"; addflag [\"");
		for (unsigned i = 0; i < SIEVE_FLAGS_MAX + over; i++)
			buf_printf(&t, "f%u ", i);
		buf_str(&t, "\"];");
		run_text(&f, &t, plain);
		assert_int_equal(f.result.actions[0].n_flags, SIEVE_FLAGS_MAX);

		buf_clear(&t);
		buf_str(&t, "require \"include\";");
		repeat(&t, "include \"empty\";", SIEVE_INCLUDES_MAX + over);
		static const struct slice library[] = { S("empty"), S("") };
		f.library = library;
		f.n_library = 2;
		run_text(&f, &t, plain);
		assert_int_equal(f.result.failed, over);

		fake_fini(&f);
		buf_fini(&t);
	}
}

/* Scripts made to spin end, in time that is bounded, and the message is kept. */
static void no_spinning(void **state)
{
	struct buf t = BUF_INIT(SIEVE_SCRIPT_MAX), message = BUF_INIT(4 << 20);
	struct sieve_fake f;
	fake_init(&f);
	buf_str(&message, "Subject: ");
	repeat(&message, "a", 60000);
	buf_str(&message, "\r\n\r\n");
	repeat(&message, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 20000);

	buf_str(&t, "require \"body\";");
	repeat(&t, "if header :matches \"subject\" \"*aaaaaaaaaaaaaaaaaaaaaaaaaaab\" { keep; }", 400);
	struct slice script = buf_view(&t);
	assert_string_equal(fake_run(&f, &script, 1, buf_view(&message)),
			    "keep failed: the script takes too much work for this message");

	buf_clear(&t);
	buf_str(&t, "require \"body\";");
	repeat(&t, "if body :raw :contains \"aaaaaaaaaaaaab\" { discard; }", 1000);
	script = buf_view(&t);
	assert_string_equal(fake_run(&f, &script, 1, buf_view(&message)),
			    "keep failed: the script takes too much work for this message");

	/* Doubling: the value is cut, the run ends. */
	buf_clear(&t);
	buf_str(&t, "require \"variables\"; set \"a\" \"xxxxxxxxxxxxxxxx\";");
	repeat(&t, "set \"a\" \"${a}${a}${a}${a}${a}${a}${a}${a}\";", 1400);
	script = buf_view(&t);
	assert_string_equal(fake_run(&f, &script, 1, buf_view(&message)),
			    "keep failed: the script takes too much work for this message");
	fake_fini(&f);
	buf_fini(&t);
	buf_fini(&message);
}

/* A body test sees SIEVE_BODY_MAX bytes and not one more. */
static void body_limit(void **state)
{
	for (unsigned over = 0; over <= 1; over++) {
		struct buf message = BUF_INIT(SIEVE_BODY_MAX + 100);
		struct sieve_fake f;
		struct slice script = SLICE("require \"body\"; if body :raw :contains \"needle\" { discard; }");
		fake_init(&f);
		buf_str(&message, "A: b\r\n\r\n");
		repeat(&message, "x", SIEVE_BODY_MAX - 6 + over);
		buf_str(&message, "needle");
		assert_string_equal(fake_run(&f, &script, 1, buf_view(&message)), over ? "keep" : "discard");
		fake_fini(&f);
		buf_fini(&message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc5228_examples), cmocka_unit_test(rfc5228_header_table), cmocka_unit_test(actions),
		cmocka_unit_test(header_and_address), cmocka_unit_test(rfc5228_encoded), cmocka_unit_test(relational),
		cmocka_unit_test(variables), cmocka_unit_test(flags), cmocka_unit_test(dates), cmocka_unit_test(bodies), cmocka_unit_test(xhtml),
		cmocka_unit_test(vacation), cmocka_unit_test(no_reply), cmocka_unit_test(handles),
		cmocka_unit_test(includes), cmocka_unit_test(sequences), cmocka_unit_test(null_sender),
		cmocka_unit_test(separators),
		cmocka_unit_test(run_limits), cmocka_unit_test(no_spinning), cmocka_unit_test(body_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
