/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/notice/language.h"

#include "base/err.h"
#include "base/text.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/notice/texts.h"

void engine_set_language(struct engine *e, struct slice language)
{
	const char *known = text_language(language);
	e->language = known ? known : "en";
}

int language_check(struct slice language, struct problem *why)
{
	for (size_t i = 0; i < notice_n_languages; i++)
		if (slice_eq(language, slice_str(notice_languages[i].code)))
			return 0;
	struct buf known = BUF_INIT(256);
	for (size_t i = 0; i < notice_n_languages; i++)
		buf_printf(&known, "%s%s", i ? ", " : "", notice_languages[i].code);
	int r = problem_set(why, ERR_INVALID, "language", "\"" SLICE_FMT "\": known languages are %s",
			    SLICE_ARG(language), buf_cstr(&known));
	buf_fini(&known);
	return r;
}

int language_take(struct slice in, struct slice *ret, struct problem *why)
{
	*ret = SLICE("");
	if (!in.n || slice_eq(in, SLICE("default")))
		return 0;
	int r = language_check(in, why);
	if (r == 0)
		*ret = in;
	return r;
}

struct slice language_shown(struct slice own)
{
	return own.n ? own : SLICE("default");
}

int language_of(struct engine *e, struct arena *a, struct slice own, uint64_t customer, struct slice *ret)
{
	struct customer c = { 0 };
	int r = !own.n && customer ? customer_by_id(e, a, customer, &c) : 0;
	if (r < 0)
		return r;
	*ret = own.n ? own : c.language.n ? c.language : slice_str(e->language ? e->language : "en");
	return 0;
}
