/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which folders the old server has: NAMESPACE (others' folders are left alone), LIST with special use, LSUB, and a
 * STATUS of each, so that the whole is known before the first message. Numbers and lengths are bounded (I09, I10).
 */
#include "room/mover/mover_priv.h"

#include "base/err.h"
#include "base/map.h"

static int ask(struct move_task *t, const char *words, int what)
{
	struct imapc_command c;

	source_begin(t->source, &c);
	imapc_put(&c, words);
	return source_send(t->source, &c, what);
}

static void ask_or_fail(struct move_task *t, const char *words, int what)
{
	if (ask(t, words, what) < 0)
		move_task_fail(t, false, "a command could not be written");
}

static void ask_list(struct move_task *t)
{
	bool extended = source_can(t->source, "LIST-EXTENDED") && source_can(t->source, "SPECIAL-USE");

	t->folders = ARENA_ARRAY(t->try_arena, struct folder, FOLDERS_MAX);
	ask_or_fail(t, extended ? "LIST \"\" \"*\" RETURN (SPECIAL-USE)" : "LIST \"\" \"*\"", ASK_LIST);
}

void folders_begin(struct move_task *t)
{
	t->subscribed = map_new();
	if (source_can(t->source, "NAMESPACE"))
		ask_or_fail(t, "NAMESPACE", ASK_NAMESPACE);
	else
		ask_list(t);
}

static void take_namespaces(struct move_task *t, const struct imapc_response *r)
{
	bool personal = false;

	for (size_t i = 0; i < r->namespaces.n; i++) {
		const struct imapc_namespace *ns = &r->namespaces.items[i];
		if (ns->kind == 0 && !personal) {
			personal = true;
			t->prefix = arena_dup(t->try_arena, ns->prefix);
		} else if (ns->kind && ns->prefix.n && t->n_foreign < ARRAY_SIZE(t->foreign)) {
			t->foreign[t->n_foreign++] = arena_dup(t->try_arena, ns->prefix);
		}
	}
}

static bool is_foreign(const struct move_task *t, struct slice raw)
{
	for (size_t i = 0; i < t->n_foreign; i++)
		if (slice_starts(raw, t->foreign[i]))
			return true;
	return false;
}

static void take_list(struct move_task *t, const struct imapc_response *r)
{
	if (r->cut || r->list.name.n > FOLDER_RAW_MAX) {
		t->n_unnamed++;
		return;
	}
	if (t->n_folders == FOLDERS_MAX) {
		move_task_fail(t, false, "the old server names more than %d folders", FOLDERS_MAX);
		return;
	}
	struct folder *f = &t->folders[t->n_folders++];
	f->raw = arena_dup(t->try_arena, r->list.name);
	f->delimiter = r->list.delimiter;
	f->attributes = r->list.attributes;
	if (is_foreign(t, f->raw))
		f->skip = "belongs to another user";
}

static void take_status(struct move_task *t, const struct imapc_response *r)
{
	struct folder *f = map_get(t->by_raw, r->list.name);

	if (!f || f->known || !(r->status.has & IMAPC_HAS_MESSAGES))
		return;
	f->known = true;
	f->messages = r->status.messages;
	t->messages_total += f->messages;
}

void folders_response(struct move_task *t, const struct imapc_response *r)
{
	if (r->kind == IMAPC_NAMESPACE)
		take_namespaces(t, r);
	else if (r->kind == IMAPC_LIST && t->folders && !t->by_raw)
		take_list(t, r);
	else if (r->kind == IMAPC_LSUB && !r->cut && map_count(t->subscribed) < FOLDERS_MAX)
		IGNORE(map_put(t->subscribed, r->list.name, t) != NULL, "listed twice is no matter");
	else if (r->kind == IMAPC_MAILBOX_STATUS && t->by_raw && !r->cut)
		take_status(t, r);
}

static bool is_copied(const struct folder *f)
{
	return !f->skip && !(f->attributes & IMAPC_NOSELECT);
}

static void map_folders(struct move_task *t)
{
	size_t n = 0;

	names_map(t->try_arena, t->folders, t->n_folders, t->prefix, t->here, t->n_here);
	t->by_raw = map_new();
	for (size_t i = 0; i < t->n_folders; i++) {
		struct folder *f = &t->folders[i];
		f->subscribed = map_get(t->subscribed, f->raw) != NULL || (f->attributes & IMAPC_SUBSCRIBED);
		if (!is_copied(f))
			continue;
		IGNORE(map_put(t->by_raw, f->raw, f) != NULL, "raw names differ");
		n++;
	}
	if (n == 0)
		move_task_fail(t, false, "the old server shows no folder to this login");
}

/* Keeps the pipeline full; true while some are on their way. */
static bool ask_status(struct move_task *t)
{
	while (t->status_next < t->n_folders && source_pending(t->source) < SOURCE_PIPELINE_MAX / 2) {
		struct folder *f = &t->folders[t->status_next++];
		struct imapc_command c;
		if (!is_copied(f))
			continue;
		source_begin(t->source, &c);
		imapc_put(&c, "STATUS ");
		imapc_put_string(&c, f->raw);
		imapc_put(&c, " (MESSAGES)");
		if (source_send(t->source, &c, ASK_STATUS) < 0)
			f->skip = "its name cannot be sent";
	}
	return source_pending(t->source) > 0;
}

void folders_done(struct move_task *t, int what, const struct imapc_response *r)
{
	if (what == ASK_NAMESPACE) {
		ask_list(t);
	} else if (what == ASK_LIST) {
		if (r->condition != IMAPC_OK) {
			move_task_fail(t, true, "the old server does not list its folders: " SLICE_FMT,
				       SLICE_ARG(r->text));
			return;
		}
		ask_or_fail(t, "LSUB \"\" \"*\"", ASK_LSUB);
	} else {
		if (what == ASK_LSUB)
			map_folders(t);
		if (!move_task_dead(t) && !ask_status(t))
			folder_next(t);
	}
}
