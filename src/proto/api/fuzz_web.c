/* SPDX-License-Identifier: Apache-2.0 */
/* A request in clear and a Host header of any bytes: what goes out names our host and holds no line that is not ours. */
#include "base/err.h"
#include "proto/api/web.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char ours[] = "Location: https://mail.example.test/";
	struct buf out = BUF_INIT(WEB_REDIRECT_OUT_MAX);
	struct slice authority, in = slice_of(data, n);
	if (web_redirect(in, SLICE("mail.example.test"), SLICE("old.example.test panel"), &out) == 1) {
		size_t lines = 0;
		ptrdiff_t location = slice_find(buf_view(&out), SLICE("Location"), 0);
		for (size_t i = 0; i < out.n; i++)
			lines += out.p[i] == '\n';
		bug_if(!buf_ok(&out) || lines > 7);
		bug_if(location >= 0 && slice_find(buf_view(&out), slice_str(ours), 0) != location);
	}
	if (web_host_check(in, SLICE("mail.example.test")) == 0)
		bug_if(!slice_starts_ci(in, SLICE("mail.example.test")) || slice_find_byte(in, '@', 0) >= 0);
	if (web_authority(in, &authority) == 0)
		bug_if(slice_find_byte(authority, '/', 0) >= 0);
	bug_if(web_is_forwarded(in) && n > 4096 && !slice_starts_ci(in, SLICE("X-Forwarded-")));
	buf_fini(&out);
	return 0;
}
