/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operations as an OpenAPI 3.1 document (JSON Schema 2020-12), for people and for
 * generators. */
#include "proto/api/http.h"

#include <jansson.h>

static void set(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, json_string(text));
}

/* What kind of JSON a parameter or a result is. */
static void schema_type(json_t *schema, enum api_type type, const char *const *choices)
{
	static const char *const types[] = {
		[API_STR] = "string",     [API_TEXT] = "string",     [API_NAME] = "string",   [API_DOMAIN] = "string",
		[API_ADDRESS] = "string", [API_TARGET] = "string", [API_HOSTPORT] = "string",
		[API_SOURCE] = "string",  [API_SIZE] = "string",   [API_U64] = "integer",
		[API_BOOL] = "boolean",   [API_CHOICE] = "string", [API_SECRET] = "string",
		[API_FILE] = "string",    [API_TIME] = "integer",  [API_BYTES] = "integer",
		[API_LIMIT] = "integer",  [API_LIST] = "array",    [API_OBJECTS] = "array",
		[API_REVISION] = "string", [API_DAY] = "string",
	};
	static const char *const examples[API_REVISION + 1] = {
		[API_DOMAIN] = "example.org", [API_ADDRESS] = "joe@example.org", [API_TARGET] = "joe@example.org",
		[API_HOSTPORT] = "mail.example.org:25", [API_SOURCE] = "imaps://mail.example.org", [API_SIZE] = "2G",
		[API_DAY] = "2026-12-24",
	};
	if (type == API_SIZE)
		json_object_set_new(schema, "type", json_pack("[s, s]", "string", "integer"));
	else
		set(schema, "type", types[type]);
	if (examples[type])
		json_object_set_new(schema, "examples", json_pack("[s]", examples[type]));
	if (type == API_SECRET)
		set(schema, "format", "password");
	if (type == API_DAY)
		set(schema, "format", "date");
	if (type == API_LIST)
		json_object_set_new(schema, "items", json_pack("{s:s}", "type", "string"));
	if (type == API_OBJECTS)
		json_object_set_new(schema, "items", json_pack("{s:s}", "type", "object"));
	if (!choices)
		return;
	json_t *list = json_array();
	for (size_t i = 0; choices[i]; i++)
		json_array_append_new(list, json_string(choices[i]));
	json_object_set_new(schema, "enum", list);
}

static json_t *param_schema(const struct api_param *p)
{
	json_t *schema = json_object();
	struct buf rule = BUF_INIT(512);
	schema_type(schema, p->type, p->choices);
	if (p->type == API_U64) {
		json_object_set_new(schema, "minimum", json_integer((json_int_t)p->min));
		json_object_set_new(schema, "maximum", json_integer((json_int_t)p->max));
	}
	if (p->type == API_STR || p->type == API_TEXT || p->type == API_NAME || p->type == API_SECRET)
		json_object_set_new(schema, "minLength", json_integer((json_int_t)p->min));
	/* Of bytes, so of characters, too. */
	if (p->max && json_object_get(schema, "minLength"))
		json_object_set_new(schema, "maxLength", json_integer((json_int_t)p->max));
	api_param_rule(p, &rule);
	buf_printf(&rule, "; %s", p->help);
	set(schema, "description", buf_cstr(&rule));
	buf_fini(&rule);
	return p->many ? json_pack("{s:s, s:o}", "type", "array", "items", schema) : schema;
}

static bool in_query(const struct api_op *op)
{
	return !strcmp(op->method, "GET") || !strcmp(op->method, "DELETE");
}

static void add_parameter(json_t *list, const struct api_param *p, const char *where)
{
	json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", p->name, "in",
					      where, "required", p->required, "description",
					      p->help, "schema", param_schema(p)));
}

/* Fields of the path always; those of a GET or DELETE, and those beside a file, in the query. */
static json_t *parameters(const struct api_op *op)
{
	json_t *list = json_array();
	for (size_t i = 0; i < op->n_params; i++) {
		const struct api_param *p = &op->params[i];
		if (api_in_path(op, slice_str(p->name)))
			add_parameter(list, p, "path");
		else if (in_query(op) && p->type != API_FILE)
			add_parameter(list, p, "query");
		else if (api_op_file(op) && p->type != API_FILE && p->type != API_SECRET)
			json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:o}", "name",
							      p->name, "in", "query", "required", p->required,
							      "description", p->help, "schema",
							      param_schema(p)));
		else if (api_op_file(op) && api_op_file(op)->required && p->type == API_SECRET)
			json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:{s:s}}", "name",
							      API_SECRET_HEADER, "in", "header", "required", 0,
							      "description", "\"NAME BASE64\": a secret beside the file",
							      "schema", "type", "string"));
	}
	if (strcmp(op->method, "GET") != 0 && api_revised(op))
		json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:{s:s}}", "name", "If-Match", "in", "header",
						      "required", 0, "description",
						      "only while the object has this revision (ETag)", "schema", "type",
						      "string"));
	return list;
}

static json_t *json_body(const struct api_op *op)
{
	json_t *properties = json_object(), *required = json_array();
	for (size_t i = 0; i < op->n_params; i++) {
		const struct api_param *p = &op->params[i];
		if (p->type == API_FILE || api_in_path(op, slice_str(p->name)))
			continue;
		json_object_set_new(properties, p->name, param_schema(p));
		if (p->required)
			json_array_append_new(required, json_string(p->name));
	}
	json_t *schema = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0,
				   "properties", properties);
	if (json_array_size(required))
		json_object_set(schema, "required", required);
	json_decref(required);
	return json_pack("{s:o}", "schema", schema);
}

static json_t *request_body(const struct api_op *op)
{
	static const char *const types[] = { "text/plain", "text/csv", "application/octet-stream" };
	const struct api_param *file = api_op_file(op);
	json_t *content = json_object();
	bool required = file && file->required;
	for (size_t i = 0; i < op->n_params; i++)
		required |= op->params[i].required && !api_in_path(op, slice_str(op->params[i].name));
	if (!file || !file->required)
		json_object_set_new(content, "application/json", json_body(op));
	for (size_t i = 0; file && i < ARRAY_SIZE(types); i++)
		json_object_set_new(content, types[i], json_pack("{s:{s:s, s:s}}", "schema", "type", "string", "description",
								 file->help));
	return json_pack("{s:b, s:o}", "required", required, "content", content);
}

static json_t *result_schema(const struct api_op *op)
{
	json_t *properties = json_object();
	for (size_t i = 0; i < op->n_results; i++) {
		json_t *schema = json_object();
		schema_type(schema, op->results[i].type, NULL);
		if (op->results[i].nullable)
			json_object_set_new(schema, "type",
					    json_pack("[O, s]", json_object_get(schema, "type"), "null"));
		set(schema, "description", op->results[i].help);
		json_object_set_new(properties, op->results[i].name, schema);
	}
	json_t *object = json_pack("{s:s, s:o}", "type", "object", "properties", properties);
	if (!op->list)
		return object;
	return json_pack("{s:s, s:[s, s], s:{s:{s:s, s:o}, s:{s:[s, s], s:s}}}", "type", "object", "required", "items", "next",
			 "properties", "items", "type", "array", "items", object, "next", "type", "string", "null",
			 "description", "after of the next page; null: this is the last");
}

static json_t *done(const char *description, bool revised, json_t *schema)
{
	json_t *o = json_pack("{s:s, s:{s:{s:o}}}", "description", description, "content", "application/json", "schema", schema);
	if (revised)
		json_object_set_new(o, "headers", json_pack("{s:{s:s, s:{s:s}}}", "ETag", "description",
							    "the object's revision, for If-Match", "schema", "type", "string"));
	return o;
}

static void add_refusal(json_t *responses, const char *status)
{
	json_object_set_new(responses, status, json_pack("{s:s}", "$ref", "#/components/responses/problem"));
}

static json_t *responses(const struct api_op *op)
{
	static const char *const refused[] = { "400", "404", "413", "422", "503" };
	bool changes = strcmp(op->method, "GET") != 0, adds = !strcmp(op->name + strcspn(op->name, "."), ".add");
	json_t *o = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(op->good) && (!i || op->good[i]); i++) {
		char status[8];
		snprintf(status, sizeof(status), "%u", op->good[i] ? op->good[i] : adds ? 201u : 200u);
		json_object_set_new(o, status, done(op->good[0] == 202 ? "taken on" : "done",
						    api_revised(op) && strcmp(op->method, "DELETE") != 0,
						    result_schema(op)));
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		add_refusal(o, refused[i]);
	add_refusal(o, "401");
	add_refusal(o, "403");
	if (changes)
		add_refusal(o, "409");
	if (api_revised(op))
		add_refusal(o, "412");
	else if (changes)
		add_refusal(o, "501");
	add_refusal(o, "default");
	return o;
}

/* A token without scopes, one for the operation, or one for its noun. Tokens are for logins to make. */
static void add_security(json_t *o, const struct api_op *op)
{
	size_t noun = strcspn(op->name, ".");
	if (op->open)
		json_object_set_new(o, "security", json_array());
	else if (!strncmp(op->name, "token.", 6))
		json_object_set_new(o, "security", json_pack("[{s:[]}]", "session"));
	else if (strncmp(op->name, "session.", 8) != 0)
		json_object_set_new(o, "security", op->name[noun] ? json_pack("[{s:[s]}, {s:[s#]}]", "bearer", op->name, "bearer",
									      op->name, (int)noun) :
								    json_pack("[{s:[s]}]", "bearer", op->name));
}

static json_t *operation(const struct api_op *op)
{
	size_t noun = strcspn(op->name, ".");
	json_t *o = json_object();
	set(o, "operationId", op->name);
	set(o, "summary", op->help);
	if (strcmp(op->method, "GET") != 0 && !api_revised(op))
		set(o, "description", "It changes no object that somebody else could have changed meanwhile: a request with If-Match"
				      " is refused (501).");
	json_object_set_new(o, "tags", json_pack("[s#]", op->name, (int)noun));
	json_object_set_new(o, "parameters", parameters(op));
	if (!in_query(op))
		json_object_set_new(o, "requestBody", request_body(op));
	json_object_set_new(o, "responses", responses(op));
	add_security(o, op);
	return o;
}

static json_t *problem_schema(void)
{
	static const char *const members[][3] = {
		{ "type", "string", API_SECOND_FACTOR ": the password is right, send a code beside it; " API_PROBLEM ": see the status" },
		{ "title", "string", "what the status means" },
		{ "status", "integer", "the HTTP status" },
		{ "detail", "string", "the value that was refused and the rule, for people, in the asker's language" },
		{ "field", "string", "the field it is about" },
		{ "value", "string", "what it was, cut; not of secrets" },
		{ "rule", "string", "what it has to be" },
		{ "errors_total", "integer", "of an import: in how many places the file is wrong" },
	};
	json_t *properties = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		json_object_set_new(properties, members[i][0],
				    json_pack("{s:s, s:s}", "type", members[i][1], "description", members[i][2]));
	json_object_set_new(json_object_get(properties, "type"), "enum", json_pack("[s, s]", API_PROBLEM, API_SECOND_FACTOR));
	json_object_set_new(properties, "errors",
			    json_pack("{s:s, s:s, s:{s:s, s:{s:{s:s, s:s}, s:{s:s}}}}", "type", "array", "description",
				      "of an import: the first of these places", "items", "type", "object", "properties",
				      "line", "type", "integer", "description", "0: the whole file", "text", "type", "string"));
	return json_pack("{s:s, s:[s, s], s:o}", "type", "object", "required", "title", "status", "properties", properties);
}

static json_t *components(void)
{
	json_t *example = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", API_PROBLEM, "title", "Not accepted", "status", 422,
				    "detail", "quota: expected a size such as 500M or 2G, got \"lots\"", "field", "quota");
	json_t *problem = json_pack("{s:s, s:{s:{s:{s:s}, s:o}}}", "description", "refused or failed (RFC 9457)", "content",
				    "application/problem+json", "schema", "$ref", "#/components/schemas/problem", "example",
				    example);
	json_t *bearer = json_pack("{s:s, s:s, s:s}", "type", "http", "scheme", "bearer", "description",
				   "the token of a session (session.add) or of a script (token.add), which may have scopes: operations"
				   " such as mailbox.list, or all of a noun such as mailbox");
	json_t *session = json_pack("{s:s, s:s, s:s}", "type", "http", "scheme", "bearer", "description",
				    "the token of a session (session.add); a script's makes no tokens");
	return json_pack("{s:{s:o}, s:{s:o}, s:{s:o, s:o}}", "schemas", "problem", problem_schema(), "responses", "problem",
			 problem, "securitySchemes", "bearer", bearer, "session", session);
}

/* Not an operation of the table: a list of them. */
static json_t *bulk(void)
{
	json_t *item = json_pack("{s:s, s:[s], s:{s:{s:s, s:s}, s:{s:s, s:s}}, s:b}", "type", "object", "required", "operation",
				 "properties", "operation", "type", "string", "description",
				 "an operation that changes something, such as mailbox.set; its fields stand beside it",
				 "if_match", "type", "string", "description", "as the header If-Match", "additionalProperties", 1);
	json_t *answer = json_pack("{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}}}", "type", "object", "properties", "status", "type",
				   "integer", "result", "type", "object", "problem", "$ref", "#/components/schemas/problem");
	json_t *result = json_pack("{s:s, s:{s:{s:s, s:o}, s:{s:s}, s:{s:s}}}", "type", "object", "properties", "items", "type",
				   "array", "items", answer, "done", "type", "integer", "failed", "type", "integer");
	return json_pack("{s:{s:s, s:[s], s:s, s:s, s:o, s:{s:o, s:{s:s}}}}", "post", "operationId", "bulk", "tags", "bulk", "summary",
			 "does one after the other, each whole or not at all, and answers each", "description",
			 "Each item may have its own if_match; a request with If-Match is refused (501).", "requestBody",
			 json_pack("{s:b, s:{s:{s:{s:s, s:[s], s:{s:{s:s, s:i, s:o}}}}}}", "required", 1, "content",
				   "application/json", "schema",
				   "type", "object", "required", "items", "properties", "items", "type", "array", "maxItems",
				   (int)API_BULK_MAX, "items", item),
			 "responses", "200", done("all were tried", false, result), "default", "$ref",
			 "#/components/responses/problem");
}

static const char about[] =
	"Everything that Postern's administration does; the command line does the same by the same operations.\n\n"
	"**Who asks.** `session.add` gives a token for a login and its password, `token.add` one for a script; it is sent as"
	" `Authorization: Bearer`. A script's token may have scopes: each operation names the two that it takes beside none. What"
	" somebody may do is what his ranks cover; what is not his answers like what is not there (404).\n\n"
	"**Values.** Bodies are flat JSON objects; fields that may come several times are lists there, and are repeated in a query."
	" `null` is as if it were absent. Members that end in `_ms` are milliseconds since 1970, in `_bytes` bytes.\n\n"
	"**Lists.** `limit` items a page; `next` of an answer is `after` of the next question, with the same filters. A page is full as"
	" long as there is more.\n\n"
	"**Lost updates.** What can be changed has a revision, the `ETag` of its answers or `revision` in a list. A change with"
	" `If-Match` is refused (412) where it has another one, or where there is nothing yet. Operations without that header refuse it"
	" (501).\n\n"
	"**Refusals** are problems (RFC 9457) in the language that `Accept-Language` asks for, English or German: 400 what is no"
	" request, 401 no good token, 403 not permitted, 404 not there, 405 another method, 409 in conflict with what is there, 412 changed"
	" meanwhile, 413 and 414 too long, 415 another type of body, 421 another host, 422 a field that is not accepted,"
	" 501 not offered, 503 not possible just now, 507 out of space.";

void api_openapi(const char *version, struct buf *out)
{
	json_t *paths = json_object();
	for (size_t i = 0; api_op_at(i); i++) {
		const struct api_op *op = api_op_at(i);
		char method[16] = "";
		for (size_t k = 0; op->method[k] && k + 1 < sizeof(method); k++)
			method[k] = (char)ascii_lower((uint8_t)op->method[k]);
		json_t *item = json_object_get(paths, op->path);
		if (!item) {
			item = json_object();
			json_object_set_new(paths, op->path, item);
		}
		json_object_set_new(item, method, operation(op));
	}
	json_object_set_new(paths, API_BULK_PATH, bulk());
	json_t *info = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "title", "Postern administration", "version", version,
				 "description", about, "license", "name", "Apache License 2.0", "identifier", "Apache-2.0");
	json_t *doc = json_pack("{s:s, s:o, s:[{s:s}], s:[{s:[]}], s:o, s:o}", "openapi", "3.1.0", "info", info, "servers", "url",
				"/", "security", "bearer", "paths", paths, "components", components());
	char *text = json_dumps(doc, JSON_INDENT(1));
	bug_if(!text);
	buf_str(out, text);
	free(text);
	json_decref(doc);
}
