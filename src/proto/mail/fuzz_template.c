/* SPDX-License-Identifier: Apache-2.0 */
/* Any template and any value: in HTML a value brings no character that could end a text or an attribute, in a line no
 * line end, and what is rendered is not looked at again. */
#include "base/compiler.h"
#include "proto/mail/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice tpl = slice_of(data, size / 2), value = slice_sub(slice_of(data, size), size / 2, size);
	struct template_value v[] = { { "a", value }, { "link", value } };
	struct buf out = BUF_INIT(16 * size * (size + 16) + 1024), one = BUF_INIT(16 * size + 64);
	for (enum template_form form = TEMPLATE_LINE; form <= TEMPLATE_HTML; form++) {
		IGNORE(template_check(tpl, form), "any answer is right");
		buf_clear(&out);
		template_render(&out, tpl, v, ARRAY_SIZE(v), form);
		buf_clear(&one);
		template_render(&one, SLICE("{a}"), v, ARRAY_SIZE(v), form);
		bug_if(!buf_ok(&out) || !buf_ok(&one));
		for (size_t i = 0; form == TEMPLATE_LINE && i < one.n; i++)
			bug_if(one.p[i] < 0x20);
		for (size_t i = 0; form == TEMPLATE_HTML && i < one.n; i++)
			bug_if(one.p[i] && strchr("\"'`=", one.p[i]));
	}
	buf_clear(&out);
	template_html_of_text(&out, slice_of(data, size));
	bug_if(!buf_ok(&out));
	buf_fini(&out);
	buf_fini(&one);
	return 0;
}
