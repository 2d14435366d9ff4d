/* SPDX-License-Identifier: Apache-2.0 */
/* Values that stand in the script as they are: an address that is none is told before any mail comes. */
#include "proto/sieve/sieve_priv.h"

#include "base/map.h"
#include "proto/mail/address_list.h"

static const struct slice none = { NULL, 0 };

static int fail(struct sieve_check *c, struct sieve_pos at, const char *what, struct slice arg)
{
	return sieve_error_at(c->why, at, ERR_SYNTAX, what, arg);
}

/* Each string of the argument that holds no variable. */
static int each(struct sieve_check *c, const struct sieve_string *s, size_t n, bool (*ok)(struct slice),
		const char *what)
{
	for (size_t i = 0; s && i < n; i++) {
		if (!s[i].variable && !ok(s[i].text))
			return fail(c, s[i].at, what, s[i].text);
	}
	return 0;
}

static int each_tag(struct sieve_check *c, const struct sieve_node *n, enum sieve_tag t, bool (*ok)(struct slice),
		    const char *what)
{
	const struct sieve_arg *a = sieve_tag_arg(n, t);
	return a ? each(c, a->strings, a->n, ok, what) : 0;
}

static int constant(struct sieve_check *c, const struct sieve_arg *a)
{
	if (a && a->strings && a->strings[0].variable)
		return fail(c, a->strings[0].at, N_("no variable may stand here: \"%s\""), a->strings[0].text);
	return 0;
}

/* ---- comparisons ---- */

static int check_comparator(struct sieve_check *c, struct sieve_node *n)
{
	const struct sieve_arg *a = sieve_tag_arg(n, TAG_COMPARATOR);
	if (!a)
		return 0;
	struct slice name = a->strings[0].text;
	if (slice_eq(name, SLICE("i;octet")))
		n->comparator = COMPARATOR_OCTET;
	else if (slice_eq(name, SLICE("i;ascii-numeric")))
		n->comparator = COMPARATOR_NUMERIC;
	else if (!slice_eq(name, SLICE("i;ascii-casemap")))
		return fail(c, a->strings[0].at, N_("there is no comparator \"%s\""), name);
	if (n->comparator == COMPARATOR_NUMERIC && !(c->script->caps & CAP_BIT(COMPARATOR_NUMERIC)))
		return fail(c, a->at, N_("this needs require \"%s\" at the beginning of the script"),
			    SLICE("comparator-i;ascii-numeric"));
	return 0;
}

static int check_match(struct sieve_check *c, struct sieve_node *n)
{
	static const enum sieve_tag tags[] = { TAG_IS, TAG_CONTAINS, TAG_MATCHES, TAG_VALUE, TAG_COUNT };
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		if (sieve_tag(n, tags[i]))
			n->match = (enum sieve_match)i;
	}
	int err = check_comparator(c, n);
	if (err < 0)
		return err;
	if (n->comparator == COMPARATOR_NUMERIC && (n->match == MATCH_CONTAINS || n->match == MATCH_MATCHES))
		return fail(c, n->at, N_("i;ascii-numeric compares whole numbers only: not with :contains or :matches"), none);
	if (n->match != MATCH_VALUE && n->match != MATCH_COUNT)
		return 0;
	const struct sieve_arg *a = sieve_tag_arg(n, n->match == MATCH_VALUE ? TAG_VALUE : TAG_COUNT);
	if (!sieve_relation_find(a->strings[0].text, &n->relation))
		return fail(c, a->strings[0].at, N_("\"%s\" is none of gt, ge, lt, le, eq, ne"), a->strings[0].text);
	return 0;
}

static void set_part(struct sieve_node *n)
{
	static const enum sieve_tag tags[] = { TAG_ALL, TAG_LOCALPART, TAG_DOMAIN, TAG_USER, TAG_DETAIL };
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		if (sieve_tag(n, tags[i]))
			n->part = (enum sieve_part)i;
	}
}

static int check_index(struct sieve_check *c, const struct sieve_node *n)
{
	const struct sieve_arg *a = sieve_tag_arg(n, TAG_INDEX);
	if (a && a->n == 0)
		return fail(c, a->at, N_(":index counts from 1"), none);
	if (!a && sieve_tag(n, TAG_LAST))
		return fail(c, n->at, N_(":last needs :index"), none);
	return 0;
}

/* ---- single values ---- */

static bool header_name_ok(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == ':')
			return false;
	}
	return s.n > 0;
}

static bool envelope_part_ok(struct slice s)
{
	return slice_eq_ci(s, SLICE("from")) || slice_eq_ci(s, SLICE("to"));
}

static bool flags_ok(struct slice s)
{
	for (size_t from = 0, i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] != ' ')
			continue;
		if (i > from && !sieve_flag_ok(slice_sub(s, from, i)))
			return false;
		from = i + 1;
	}
	return true;
}

static bool zone_ok(struct slice s)
{
	int minutes;
	return sieve_zone_parse(s, &minutes);
}

static bool reason_ok(struct slice s)
{
	return s.n <= SIEVE_REASON_MAX;
}

/* RFC 5230 4.3: one address, with or without a name. */
static bool from_ok(struct slice s)
{
	struct address_list l;
	struct mail_address a, more;
	address_list_init(&l, s);
	struct buf text = BUF_INIT(2000);
	bool ok = address_list_next(&l, &a) == 1 && a.kind == MAIL_ADDRESS && a.has_mailbox && a.has_host;
	if (ok) {
		buf_slice(&text, a.mailbox);
		buf_byte(&text, '@');
		buf_slice(&text, a.host);
		ok = sieve_address_ok(buf_view(&text)) && address_list_next(&l, &more) == 0;
	}
	buf_fini(&text);
	address_list_fini(&l);
	return ok;
}

#define NO_ADDRESS N_("\"%s\" is not a mail address")
#define NO_FLAG N_("\"%s\" is not a flag that can be set")
#define NO_MAILBOX N_("\"%s\" cannot be the name of a mailbox")
#define NO_VARIABLE N_("\"%s\" cannot be the name of a variable")

/* RFC 5228 2.4.2.2: what cannot be the name of a field is no error in a test; no field has it. */
static bool holds_addresses(struct slice s)
{
	return !header_name_ok(s) || sieve_is_address_header(s);
}

static int check_address(struct sieve_check *c, const struct sieve_node *n)
{
	return each(c, n->positional[0]->strings, n->positional[0]->n, holds_addresses,
		    N_("the field \"%s\" holds no addresses; the test \"header\" looks into any field"));
}

static int check_date(struct sieve_check *c, const struct sieve_node *n)
{
	size_t part = n->spec->op == OP_DATE;
	const struct sieve_string *s = n->positional[part]->strings;
	int err = each(c, s, 1, sieve_date_part_known, N_("\"%s\" is not a part of a date"));
	if (err == 0)
		err = each_tag(c, n, TAG_ZONE, zone_ok, N_("\"%s\" is not a time zone such as \"+0100\""));
	return err;
}

static int check_flag_command(struct sieve_check *c, const struct sieve_node *n)
{
	const struct sieve_arg *variable = n->positional[0];
	if (variable && !(c->script->caps & CAP_BIT(VARIABLES)))
		return fail(c, variable->at, N_("this needs require \"%s\" at the beginning of the script"), SLICE("variables"));
	int err = constant(c, variable);
	if (err == 0 && variable)
		err = each(c, variable->strings, variable->n, sieve_variable_name_ok, NO_VARIABLE);
	if (err == 0 && n->spec->op != OP_HASFLAG)
		err = each(c, n->positional[1]->strings, n->positional[1]->n, flags_ok, NO_FLAG);
	return err;
}

static struct slice in_lower_case(struct arena *a, struct slice s)
{
	uint8_t *out = arena_alloc(a, s.n + 1);
	for (size_t i = 0; i < s.n; i++)
		out[i] = ascii_lower(s.p[i]);
	return slice_of(out, s.n);
}

/* RFC 6609 3.4.1. */
static int check_global(struct sieve_check *c, const struct sieve_node *n)
{
	if (!(c->script->caps & CAP_BIT(VARIABLES)))
		return fail(c, n->at, N_("this needs require \"%s\" at the beginning of the script"), SLICE("variables"));
	for (size_t i = 0; i < n->positional[0]->n; i++) {
		const struct sieve_string *s = &n->positional[0]->strings[i];
		if (s->variable || !sieve_variable_name_ok(s->text))
			return fail(c, s->at, NO_VARIABLE, s->text);
		if (map_get(c->set, in_lower_case(c->arena, s->text)))
			return fail(c, s->at, N_("the variable \"%s\" was set before it is made a global one"), s->text);
	}
	return 0;
}

static int check_set(struct sieve_check *c, const struct sieve_node *n)
{
	int err = constant(c, n->positional[0]);
	if (err == 0)
		err = each(c, n->positional[0]->strings, 1, sieve_variable_name_ok, NO_VARIABLE);
	if (err == 0)
		map_put(c->set, in_lower_case(c->arena, n->positional[0]->strings[0].text), c);
	return err;
}

static int check_vacation(struct sieve_check *c, const struct sieve_node *n)
{
	int err = each(c, n->positional[0]->strings, 1, reason_ok, N_("the text of the reply is longer than 16 KiB"));
	if (err == 0)
		err = each_tag(c, n, TAG_FROM, from_ok, NO_ADDRESS);
	if (err == 0)
		err = each_tag(c, n, TAG_ADDRESSES, sieve_address_ok, NO_ADDRESS);
	return err;
}

static int check_include(struct sieve_check *c, const struct sieve_node *n)
{
	int err = constant(c, n->positional[0]);
	return err < 0 ? err : each(c, n->positional[0]->strings, 1, sieve_name_ok, N_("\"%s\" cannot be the name of a script"));
}

static int check_tags(struct sieve_check *c, struct sieve_node *n)
{
	int err = 0;
	if (n->spec->tags & TAG_BIT(IS))
		err = check_match(c, n);
	if (n->spec->tags & TAG_BIT(ALL))
		set_part(n);
	if (err == 0 && n->spec->tags & TAG_BIT(INDEX))
		err = check_index(c, n);
	if (err == 0 && n->spec->tags & TAG_BIT(FLAGS))
		err = each_tag(c, n, TAG_FLAGS, flags_ok, NO_FLAG);
	return err;
}

int sieve_check_values(struct sieve_check *c, struct sieve_node *n)
{
	const struct sieve_arg *first = n->positional[0];
	int err = check_tags(c, n);
	if (err < 0)
		return err;
	switch (n->spec->op) {
	case OP_ADDRESS: return check_address(c, n);
	case OP_ENVELOPE:
		return each(c, first->strings, first->n, envelope_part_ok, N_("an envelope has \"from\" and \"to\", not \"%s\""));
	case OP_SIZE:
		if (!sieve_tag(n, TAG_OVER) && !sieve_tag(n, TAG_UNDER))
			return fail(c, n->at, N_("\"size\" needs :over or :under"), none);
		return 0;
	case OP_DATE:
	case OP_CURRENTDATE: return check_date(c, n);
	case OP_FILEINTO:
	case OP_MAILBOXEXISTS: return each(c, first->strings, first->n, sieve_mailbox_ok, NO_MAILBOX);
	case OP_REDIRECT: return each(c, first->strings, first->n, sieve_address_ok, NO_ADDRESS);
	case OP_REJECT:
	case OP_EREJECT: return each(c, first->strings, 1, reason_ok, N_("the text of the refusal is longer than 16 KiB"));
	case OP_VACATION: return check_vacation(c, n);
	case OP_SETFLAG:
	case OP_ADDFLAG:
	case OP_REMOVEFLAG:
	case OP_HASFLAG: return check_flag_command(c, n);
	case OP_SET: return check_set(c, n);
	case OP_GLOBAL: return check_global(c, n);
	case OP_INCLUDE: return check_include(c, n);
	default: return 0;
	}
}
