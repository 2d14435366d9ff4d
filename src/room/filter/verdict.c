/* SPDX-License-Identifier: Apache-2.0 */
#include "room/filter/verdict.h"

const struct verdict_check verdict_checks[] = {
	{ "loop", check_loop },
	{ "author", check_author },
	{ "gtube", check_gtube },
};
const size_t verdict_n_checks = ARRAY_SIZE(verdict_checks);

void verdict_init(struct verdict *v)
{
	*v = (struct verdict){ .verdict = POSTERN__VERDICT__VERDICT_ACCEPT };
	buf_init(&v->report, VERDICT_REPORT_MAX);
}

void verdict_fini(struct verdict *v)
{
	buf_fini(&v->report);
}

static bool is_final(const struct verdict *v)
{
	return v->verdict == POSTERN__VERDICT__VERDICT_REFUSE ||
	       v->verdict == POSTERN__VERDICT__VERDICT_LATER;
}

void verdict_run(const struct verdict_input *in, struct verdict *v)
{
	for (size_t i = 0; i < verdict_n_checks && !is_final(v); i++) {
		Postern__Verdict before = v->verdict;
		verdict_checks[i].run(in, v);
		if (v->verdict != before)
			v->check = verdict_checks[i].name;
	}
}
