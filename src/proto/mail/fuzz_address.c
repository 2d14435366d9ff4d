/* SPDX-License-Identifier: Apache-2.0 */
/* The strict parser's normal form is a fixed point without control bytes; the list parser always
 * ends. */
#include "proto/mail/address.h"
#include "proto/mail/address_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void strict(struct slice in, unsigned flags)
{
	struct addr a, again, key;
	uint8_t raw[ADDR_LOCAL_MAX];
	if (addr_parse(in, flags, &a) < 0)
		return;
	struct slice text = addr_text(&a);
	for (size_t i = 0; i < text.n; i++)
		bug_if(text.p[i] < ' ' || text.p[i] == 0x7f);
	bug_if(addr_parse(text, flags, &again) < 0 || !slice_eq(text, addr_text(&again)));
	bug_if(addr_local_raw(&a, raw) > ADDR_LOCAL_MAX);
	if (addr_key(&a, &key) == 0) {
		bug_if(addr_key(&key, &again) < 0 || !slice_eq(addr_text(&key), addr_text(&again)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct address_list l;
	struct mail_address a;
	bool open = false;
	strict(in, 0);
	strict(in, ADDR_UTF8 | ADDR_BARE);
	address_list_init(&l, in);
	for (size_t n = 0; address_list_next(&l, &a) > 0; n++) {
		bug_if(n > size + 1);
		bug_if(a.kind == MAIL_GROUP_START ? open : a.kind == MAIL_GROUP_END && !open);
		open = a.kind == MAIL_GROUP_START || (open && a.kind != MAIL_GROUP_END);
		bug_if(a.name.n > MAIL_ADDRESS_NAME_MAX || a.mailbox.n > MAIL_ADDRESS_NAME_MAX ||
		       a.host.n > MAIL_ADDRESS_PART_MAX || a.route.n > MAIL_ADDRESS_PART_MAX);
	}
	bug_if(open);
	address_list_fini(&l);
	return 0;
}
