/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/noun/policy.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

enum { PASSWORD_MAX = 1024 };

static const char *const class_names[] = { "lower", "upper", "digit", "symbol" };

const char *policy_class_name(size_t i)
{
	return i < ARRAY_SIZE(class_names) ? class_names[i] : NULL;
}

int policy_get(struct engine *e, uint64_t customer, struct policy *ret)
{
	struct policy p = {
		.length = POLICY_LENGTH_DEFAULT,
		.classes = POLICY_CLASSES_DEFAULT,
		.old_login_days = POLICY_OLD_LOGIN_DAYS,
		.invitation_hours = POLICY_INVITATION_HOURS,
		.reset_minutes = POLICY_RESET_MINUTES,
		.app_passwords = true,
	};
	struct sql_stmt *s = sql_prepare(e->db, "SELECT length, classes, old_login_days, invitation_hours, reset_minutes,"
						" app_passwords FROM policy WHERE customer = ?1");
	sql_bind_int(s, 1, (int64_t)customer);
	int r = sql_step(s);
	if (r == 1)
		p = (struct policy){
			.length = (unsigned)sql_int(s, 0),
			.classes = (unsigned)sql_int(s, 1),
			.old_login_days = (unsigned)sql_int(s, 2),
			.invitation_hours = (unsigned)sql_int(s, 3),
			.reset_minutes = (unsigned)sql_int(s, 4),
			.app_passwords = sql_int(s, 5),
		};
	sql_done(s);
	if (r < 0)
		return r;
	*ret = p;
	return 0;
}

int policy_put(struct engine *e, uint64_t customer, const struct policy *p)
{
	int r = sql_run(e->db,
			"INSERT OR REPLACE INTO policy (customer, length, classes, old_login_days, invitation_hours,"
			" reset_minutes, app_passwords) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			"iiiiiii", (int64_t)customer, (int64_t)p->length, (int64_t)p->classes,
			(int64_t)p->old_login_days, (int64_t)p->invitation_hours, (int64_t)p->reset_minutes,
			(int64_t)p->app_passwords);
	return r < 0 ? r : 0;
}

/* Characters, not bytes: an umlaut is one. */
static size_t characters(struct slice s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += (s.p[i] & 0xc0) != 0x80;
	return n;
}

/* A letter outside of ASCII counts as a symbol: which case it has is not ours to guess. */
static unsigned classes_of(struct slice s)
{
	unsigned found = 0;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		found |= c >= 'a' && c <= 'z' ? POLICY_LOWER
			 : c >= 'A' && c <= 'Z' ? POLICY_UPPER
			 : ascii_is_digit(c)    ? POLICY_DIGIT
						: POLICY_SYMBOL;
	}
	return found;
}

static int check_classes(unsigned missing, const char *field, struct problem *why)
{
	if (missing & POLICY_LOWER)
		return problem_set(why, ERR_INVALID, field,
				   "the policy asks for a lower-case letter in the password");
	if (missing & POLICY_UPPER)
		return problem_set(why, ERR_INVALID, field,
				   "the policy asks for an upper-case letter in the password");
	if (missing & POLICY_DIGIT)
		return problem_set(why, ERR_INVALID, field, "the policy asks for a digit in the password");
	if (missing & POLICY_SYMBOL)
		return problem_set(why, ERR_INVALID, field,
				   "the policy asks for a character in the password that is neither letter nor digit");
	return 0;
}

int password_check(struct engine *e, uint64_t customer, const char *field, struct slice password,
		   struct problem *why)
{
	struct policy p;
	int r = policy_get(e, customer, &p);
	if (r < 0)
		return r;
	for (size_t i = 0; i < password.n; i++)
		if (password.p[i] < 32 || password.p[i] == 127)
			return problem_set(why, ERR_INVALID, field,
					   "control characters are not allowed in a password");
	if (password.n > PASSWORD_MAX)
		return problem_set(why, ERR_TOO_BIG, field, "a password has at most %d bytes", PASSWORD_MAX);
	if (characters(password) < p.length)
		return problem_set(why, ERR_INVALID, field, characters(password) == 1 ?
				   "the password has %zu character, the policy asks for at least %u" :
				   "the password has %zu characters, the policy asks for at least %u",
				   characters(password), p.length);
	return check_classes(p.classes & ~classes_of(password), field, why);
}
