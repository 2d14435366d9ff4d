/* SPDX-License-Identifier: Apache-2.0 */
#include "room/httpd/page.h"

#include "base/err.h"
#include "base/text.h"
#include "ipc/directory.pb-c.h"

#include <jansson.h>

const char page_policy[] =
	"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

static const char style[] =
	"body{font:1.05rem/1.5 system-ui,sans-serif;max-width:30rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;"
	"background:#fff;overflow-wrap:anywhere}h1{font-size:1.4rem}h2{font-size:1.15rem;margin-top:2.5rem}label{display:block;margin-top:1rem}"
	"input{font:inherit;width:100%;margin-top:.4rem;box-sizing:border-box;padding:.5rem;border:1px solid #666;border-radius:.25rem}"
	"button{font:inherit;margin-top:1.25rem;padding:.5rem 1.25rem;border:0;border-radius:.25rem;background:#1a4f8b;color:#fff}"
	"input:focus,button:focus{outline:3px solid #e08a00;outline-offset:2px}.error{color:#a40000;font-weight:600;margin:.6rem 0 0}"
	".hint{color:#444;margin:.25rem 0 0}a{color:#1a4f8b}a:focus{outline:3px solid #e08a00}"
	"@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}input{background:#222;color:#eee}"
	".hint{color:#bbb}.error{color:#ff8a80}a{color:#8ab4f8}}";

enum page_kind { PAGE_HOME, PAGE_FORMS, PAGE_LINK, PAGE_STYLE, PAGE_POST };

struct page {
	enum page_kind kind;
	const char *language;	/* r->language */
	struct slice token;	/* of a link */
	struct api_fields form;
	const char *action;	/* "reset", "change", "forgot" */
	const char *error_field; /* of the form; "" about the whole page; NULL none */
	char error[1024];
	unsigned status;
};

/* --- words ------------------------------------------------------------------------------------------ */

/* What a browser asks for comes first; where it names no language that is here, a link opens in its person's. */
static void use_language(struct request *r, struct slice name)
{
	const char *language = text_language(name);
	if (!r->language_asked && language)
		r->language = language;
	r->page->language = r->language;
	text_use(r->language);
}

static const char *say(const struct page *p, const char *text)
{
	return text_in(p->language, text);
}

static void escape(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
			buf_printf(out, "&#%u;", c);
		else
			buf_byte(out, c);
	}
}

/* What directory refused, as a sentence of its own. */
static void put_sentence(struct buf *out, const char *text)
{
	size_t n = strlen(text);
	if (!n)
		return;
	buf_byte(out, ascii_upper((uint8_t)*text));
	escape(out, slice_of(text + 1, n - 1));
	if (!strchr(".!?", text[n - 1]))
		buf_byte(out, '.');
}

/* --- pieces ----------------------------------------------------------------------------------------- */

static void begin(struct buf *out, const struct page *p, const char *title)
{
	buf_printf(out,
		   "<!DOCTYPE html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\"><title>%s</title>"
		   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
		   "<meta name=\"color-scheme\" content=\"light dark\">"
		   "<link rel=\"stylesheet\" href=\"/password/style.css\"></head><body><main><h1>%s</h1>\n",
		   p->language, title, title);
	if (p->error_field && !*p->error_field) {
		buf_str(out, "<p class=\"error\" role=\"alert\">");
		put_sentence(out, p->error);
		buf_str(out, "</p>\n");
	}
}

static void end(struct buf *out)
{
	buf_str(out, "</main></body></html>\n");
}

struct input {
	const char *id, *name, *label, *type, *autocomplete;
	struct slice value;
	const char *hint;	/* id of what says what it has to be, or NULL */
	bool optional;
};

static void put_input(struct buf *out, const struct page *p, const struct input *in)
{
	bool wrong = p->error_field && !strcmp(p->error_field, in->name);
	buf_printf(out, "<label for=\"%s\">%s</label>", in->id, in->label);
	buf_printf(out, "<input id=\"%s\" name=\"%s\" type=\"%s\" autocomplete=\"%s\"%s", in->id, in->name, in->type,
		   in->autocomplete, in->optional ? "" : " required");
	if (in->value.n) {
		buf_str(out, " value=\"");
		escape(out, in->value);
		buf_byte(out, '"');
	}
	if (!strcmp(in->type, "text"))
		buf_str(out, " autocapitalize=\"none\" spellcheck=\"false\"");
	if (wrong)
		buf_printf(out, " aria-invalid=\"true\" autofocus");
	if (wrong || in->hint)
		buf_printf(out, " aria-describedby=\"%s%s%s%s\"", wrong ? in->id : "", wrong ? "-error" : "",
			   wrong && in->hint ? " " : "", in->hint ? in->hint : "");
	buf_str(out, ">");
	if (wrong) {
		buf_printf(out, "<p class=\"error\" role=\"alert\" id=\"%s-error\">", in->id);
		put_sentence(out, p->error);
		buf_str(out, "</p>");
	}
	buf_byte(out, '\n');
}

static void begin_form(struct buf *out, const char *action)
{
	buf_printf(out, "<form method=\"post\" action=\"/password\"><input type=\"hidden\" name=\"do\" value=\"%s\">\n", action);
}

static void new_twice(struct buf *out, const struct page *p, const char *hint)
{
	put_input(out, p, &(struct input){ "new", "new", say(p, N_("New password")), "password", "new-password",
					   .hint = hint });
	put_input(out, p, &(struct input){ "again", "again", say(p, N_("New password once more")),
					   "password", "new-password", { 0 } });
}

static void forgot_form(struct buf *out, const struct page *p, struct slice user)
{
	buf_printf(out, "<h2 id=\"forgot\">%s</h2><p>%s</p>\n", say(p, N_("Forgotten?")),
		   say(p, N_("A link goes to your recovery address, if you have one.")));
	begin_form(out, "forgot");
	put_input(out, p, &(struct input){ "forgot-user", "forgot_user", say(p, N_("Your address")), "text", "username", user });
	buf_printf(out, "<button>%s</button></form>\n", say(p, N_("Send a link")));
}

/* --- pages ------------------------------------------------------------------------------------------ */

static void put_link(struct buf *out, const char *where, const char *words)
{
	buf_printf(out, "<p><a href=\"%s\">%s</a></p>\n", where, words);
}

/* Where texts send people: what this is, and what can be done here. */
static void page_home(struct request *r)
{
	const struct page *p = r->page;
	const char *host = conf_str(r->httpd->room->conf, "host.name");
	struct buf title = BUF_INIT(1024);
	buf_printf(&title, text_in(p->language, "Mail server %s"), host);
	begin(&r->out, p, buf_cstr(&title));
	buf_fini(&title);
	buf_printf(&r->out, "<p>%s</p>\n",
		   say(p, N_("Read and write your mail with a mail program: with this server, and your address as user name.")));
	buf_printf(&r->out, "<h2>%s</h2>\n", say(p, N_("Password")));
	put_link(&r->out, "/password", say(p, N_("Set or change the password")));
	put_link(&r->out, "/password#forgot", say(p, N_("I have forgotten my password")));
	buf_printf(&r->out, "<p class=\"hint\">%s</p>\n",
		   say(p, N_("If you were invited, open the link in the invitation.")));
	buf_printf(&r->out, "<h2>%s</h2><p>%s</p>\n", say(p, N_("Second factor")),
		   say(p, N_("Where a login has a second factor, mail programs take app passwords alone, one for each program. Whoever "
			     "administers your domain makes them, and gives help with everything else.")));
	buf_printf(&r->out, "<h2>%s</h2>\n", say(p, N_("Administration")));
	put_link(&r->out, "/api/v1/openapi.json", say(p, N_("Description of the interface for programs")));
	end(&r->out);
	request_done(r, p->status);
}

static void page_forms(struct request *r)
{
	const struct page *p = r->page;
	struct slice user = api_get(p->form.v, p->form.n, "user");
	begin(&r->out, p, say(p, N_("Set a password")));
	buf_printf(&r->out, "<p>%s</p>\n",
		   say(p, N_("With the password that you have, or the one that was given to you.")));
	begin_form(&r->out, "change");
	put_input(&r->out, p, &(struct input){ "user", "user", say(p, N_("Your address")), "text", "username", user });
	put_input(&r->out, p, &(struct input){ "current", "current", say(p, N_("Password that you have")),
					       "password", "current-password", { 0 } });
	put_input(&r->out, p, &(struct input){ "totp", "totp", say(p, N_("Code, if you have a second factor")), "text",
					       "one-time-code", .optional = true });
	new_twice(&r->out, p, NULL);
	buf_printf(&r->out, "<button>%s</button></form>\n", say(p, N_("Set the password")));
	forgot_form(&r->out, p, (struct slice){ 0 });
	end(&r->out);
	request_done(r, p->status);
}

static void page_words(struct request *r, const char *title, const char *text)
{
	begin(&r->out, r->page, title);
	buf_printf(&r->out, "<p role=\"status\">%s</p>\n", text);
	end(&r->out);
	request_done(r, 200);
}

static void page_void(struct request *r, unsigned status)
{
	const struct page *p = r->page;
	begin(&r->out, p, say(p, N_("This link is not good any more")));
	buf_printf(&r->out, "<p role=\"alert\">%s</p>\n",
		   say(p, N_("It was used, its time is over, or there is a newer one.")));
	forgot_form(&r->out, p, (struct slice){ 0 });
	end(&r->out);
	request_done(r, status);
}

static void put_policy(struct buf *out, const struct page *p, const json_t *look)
{
	static const struct {
		const char *name, *text;
	} words[] = {
		{ "lower", N_("a lower-case letter") },
		{ "upper", N_("an upper-case letter") },
		{ "digit", N_("a digit") },
		{ "symbol", N_("another character") },
	};
	size_t i;
	const json_t *class;
	buf_str(out, "<p class=\"hint\" id=\"rule\">");
	buf_printf(out, text_in(p->language, "At least %d characters"),
		   (int)json_integer_value(json_object_get(look, "length")));
	json_array_foreach(json_object_get(look, "classes"), i, class)
		for (size_t k = 0; k < ARRAY_SIZE(words); k++)
			if (!strcmp(words[k].name, json_string_value(class)))
				buf_printf(out, "%s%s", i ? ", " : say(p, N_(", among them ")), say(p, words[k].text));
	buf_str(out, ".</p>\n");
}

static void page_link(struct request *r, const json_t *look)
{
	const struct page *p = r->page;
	const char *user = json_string_value(json_object_get(look, "user"));
	const char *language = json_string_value(json_object_get(look, "language"));
	use_language(r, slice_str(language ? language : ""));
	begin(&r->out, p, say(p, N_("Set your password")));
	buf_str(&r->out, "<p>");
	escape(&r->out, slice_str(user ? user : ""));
	buf_str(&r->out, "</p>\n");
	begin_form(&r->out, "reset");
	buf_printf(&r->out, "<input type=\"hidden\" name=\"lang\" value=\"%s\">\n", p->language);
	buf_str(&r->out, "<input type=\"hidden\" name=\"token\" value=\"");
	escape(&r->out, p->token);
	/* For password managers: they pass over inputs of type hidden. */
	buf_str(&r->out, "\">\n<input type=\"text\" hidden autocomplete=\"username\" value=\"");
	escape(&r->out, slice_str(user ? user : ""));
	buf_str(&r->out, "\">\n");
	put_policy(&r->out, p, look);
	new_twice(&r->out, p, "rule");
	buf_printf(&r->out, "<button>%s</button></form>\n", say(p, N_("Set the password")));
	end(&r->out);
	request_done(r, p->status);
}

/* --- asking directory --------------------------------------------------------------------------------- */

static void on_looked(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct request *r = ctx;
	const Postern__AdminReply *reply = (const Postern__AdminReply *)msg;
	if (fd >= 0)
		close(fd);
	if (!request_call_end(r))
		return;
	json_t *j = err < 0 ? NULL : json_loadb((const char *)reply->json.data, reply->json.len, 0, NULL);
	if (err < 0)
		request_fail_err(r, err, text);
	else if (reply->status != 200 || !j)
		page_void(r, 404);
	else
		page_link(r, j);
	json_decref(j);
}

static void wipe(const struct api_fields *f)
{
	for (size_t i = 0; i < f->n; i++)
		explicit_bzero((void *)(uintptr_t)f->v[i].value.p, f->v[i].value.n);
}

void page_wipe(struct request *r)
{
	if (r->page)
		wipe(&r->page->form);
}

static void set_op(struct request *r, const char *name)
{
	wipe(&r->fields);
	r->op = api_op_find(slice_str(name));
	r->fields.n = 0;
	bug_if(!r->op);
}

static void give(struct request *r, const char *name, struct slice value)
{
	bug_if(api_fields_add(&r->fields, slice_str(name), value.p ? value : SLICE("")) < 0);
}

static void look(struct request *r)
{
	set_op(r, "password.look");
	give(r, "token", r->page->token);
	dispatch_ask(r, on_looked);
}

/* The form again, with what is wrong beside its field. */
static void again(struct request *r, unsigned status, const char *field, const char *text)
{
	struct page *p = r->page;
	p->status = status;
	p->error_field = field;
	snprintf(p->error, sizeof(p->error), "%s", text);
	if (p->token.n)
		look(r);
	else
		page_forms(r);
}

/* Directory's refusal: which field of the form, and in which words. */
static void refused(struct request *r, unsigned status, const json_t *problem)
{
	const struct page *p = r->page;
	const char *field = json_string_value(json_object_get(problem, "field"));
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	bool change = !strcmp(p->action, "change");
	detail = detail ? detail : "";
	if (status == 404 && !change) {
		page_void(r, 404);
	} else if (change && field && !strcmp(field, "totp")) {
		again(r, status, "totp", detail);
	} else if (status == 401 || status == 403) {
		again(r, status, "current", say(p, N_("Wrong name or password.")));
	} else if (field && !strcmp(field, change ? "new_password" : "password")) {
		again(r, status, "new", detail);
	} else {
		again(r, status, "", detail);
	}
}

static void on_done(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct request *r = ctx;
	const Postern__AdminReply *reply = (const Postern__AdminReply *)msg;
	if (fd >= 0)
		close(fd);
	if (!request_call_end(r))
		return;
	struct page *p = r->page;
	if (err < 0) {
		request_fail_err(r, err, text);
	} else if (reply->status >= 300) {
		json_t *j = json_loadb((const char *)reply->json.data, reply->json.len, 0, NULL);
		refused(r, reply->status, j);
		json_decref(j);
	} else if (!strcmp(p->action, "forgot")) {
		page_words(r, say(p, N_("Look into your mail")),
			   say(p, N_("If there is a recovery address, a link is on its way to it.")));
	} else {
		page_words(r, say(p, N_("The password is set")),
			   say(p, N_("Your mail programs need it from now on.")));
	}
}

/* --- forms ------------------------------------------------------------------------------------------ */

static struct slice of(const struct request *r, const char *name)
{
	return api_get(r->page->form.v, r->page->form.n, name);
}

static void send_form(struct request *r)
{
	struct page *p = r->page;
	if (!slice_eq(of(r, "new"), of(r, "again"))) {
		again(r, 422, "again", say(p, N_("The two passwords differ.")));
		return;
	}
	if (!strcmp(p->action, "reset")) {
		set_op(r, "password.reset");
		give(r, "token", p->token);
		give(r, "password", of(r, "new"));
	} else if (!strcmp(p->action, "change")) {
		set_op(r, "password.change");
		give(r, "user", of(r, "user"));
		give(r, "password", of(r, "current"));
		if (of(r, "totp").n)
			give(r, "totp", of(r, "totp"));
		give(r, "new_password", of(r, "new"));
	} else {
		set_op(r, "password.forgot");
		give(r, "user", of(r, "forgot_user"));
	}
	struct api_error e;
	if (api_check(r->op, r->fields.v, r->fields.n, false, &e) < 0)
		again(r, 422, "", say(p, N_("Something in the form is missing.")));
	else
		dispatch_ask(r, on_done);
}

static void take_form(struct request *r)
{
	static const struct api_op none = { .name = "form" };
	static const char *const actions[] = { "reset", "change", "forgot" };
	struct page *p = r->page;
	struct api_error e;
	p->form.arena = r->arena;
	if (api_fields_from_query(&p->form, &none, buf_view(&r->body), &e) < 0) {
		request_fail(r, 400, "expected a form", NULL);
		return;
	}
	use_language(r, of(r, "lang"));
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (slice_eq(of(r, "do"), slice_str(actions[i])))
			p->action = actions[i];
	if (p->action && !strcmp(p->action, "reset"))
		p->token = of(r, "token");
	if (p->action)
		send_form(r);
	else
		request_fail(r, 400, "expected a form that says what to do", NULL);
}

bool page_route(struct request *r, struct slice path, const char *method)
{
	bool post = !strcmp(method, "POST"), root = slice_eq(path, SLICE("/password")), home = slice_eq(path, SLICE("/"));
	if (!root && !home && !slice_starts(path, SLICE("/password/")))
		return false;
	if ((post && !root) || (!post && strcmp(method, "GET") && strcmp(method, "HEAD"))) {
		snprintf(r->allow, sizeof(r->allow), "%s", root ? "GET, POST" : "GET");
		request_fail(r, 405, "this path has other methods", NULL);
		return true;
	}
	struct page *p = ARENA_NEW(r->arena, struct page);
	p->kind = post ? PAGE_POST : home ? PAGE_HOME : root ? PAGE_FORMS : slice_eq(path, SLICE("/password/style.css")) ? PAGE_STYLE : PAGE_LINK;
	p->status = 200;
	if (p->kind == PAGE_LINK)
		p->token = slice_sub(path, strlen("/password/"), path.n);
	r->page = p;
	use_language(r, slice_str(conf_str(r->httpd->room->conf, "host.language")));
	return true;
}

const char *page_type(const struct request *r)
{
	return r->page->kind == PAGE_STYLE ? "text/css; charset=utf-8" : "text/html; charset=utf-8";
}

void page_run(struct request *r)
{
	switch (r->page->kind) {
	case PAGE_HOME:
		page_home(r);
		break;
	case PAGE_STYLE:
		buf_str(&r->out, style);
		request_done(r, 200);
		break;
	case PAGE_FORMS:
		page_forms(r);
		break;
	case PAGE_LINK:
		if (r->page->token.n > 256)
			page_void(r, 404);
		else
			look(r);
		break;
	case PAGE_POST:
		take_form(r);
		break;
	}
}
