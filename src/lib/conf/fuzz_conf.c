/* SPDX-License-Identifier: Apache-2.0 */
/* Any file parses or is refused with a text; what parses dumps to something that parses to the
 * same. */
#include "lib/conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *c = NULL, *again = NULL;
	struct buf error = BUF_INIT(4096), one = BUF_INIT(CONF_FILE_MAX),
		   two = BUF_INIT(CONF_FILE_MAX);
	if (conf_parse(slice_of(data, size), "postern.conf", &c, &error) < 0) {
		bug_if(error.n == 0 || slice_find_byte(buf_view(&error), '\n', 0) >= 0);
	} else {
		conf_dump(c, &one);
		bug_if(conf_parse(buf_view(&one), "dump", &again, &error) < 0);
		conf_dump(again, &two);
		bug_if(!slice_eq(buf_view(&one), buf_view(&two)));
	}
	conf_free(&c);
	conf_free(&again);
	buf_fini(&error);
	buf_fini(&one);
	buf_fini(&two);
	return 0;
}
