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
	};
	set(schema, "type", types[type]);
	if (type == API_SECRET)
		set(schema, "format", "password");
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
							      p->name, "in", "query", "required", 0,
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
	const struct api_param *file = api_op_file(op);
	json_t *content = json_object();
	if (!file || !file->required)
		json_object_set_new(content, "application/json", json_body(op));
	if (file)
		json_object_set_new(content, "text/plain",
				    json_pack("{s:{s:s, s:s}}", "schema", "type", "string",
					      "description", file->help));
	return json_pack("{s:o}", "content", content);
}

static json_t *result_schema(const struct api_op *op)
{
	json_t *properties = json_object();
	for (size_t i = 0; i < op->n_results; i++) {
		json_t *schema = json_object();
		schema_type(schema, op->results[i].type, NULL);
		set(schema, "description", op->results[i].help);
		json_object_set_new(properties, op->results[i].name, schema);
	}
	json_t *object = json_pack("{s:s, s:o}", "type", "object", "properties", properties);
	if (!op->list)
		return object;
	return json_pack("{s:s, s:{s:{s:s, s:o}, s:{s:[s, s]}}}", "type", "object", "properties",
			 "items", "type", "array", "items", object, "next", "type", "string",
			 "null");
}

static json_t *done(const char *description, bool revised, json_t *schema)
{
	json_t *o = json_pack("{s:s, s:{s:{s:o}}}", "description", description, "content", "application/json", "schema", schema);
	if (revised)
		json_object_set_new(o, "headers", json_pack("{s:{s:s, s:{s:s}}}", "ETag", "description",
							    "the object's revision, for If-Match", "schema", "type", "string"));
	return o;
}

static json_t *responses(const struct api_op *op)
{
	static const char *const refused[] = { "400", "401", "403", "404", "409", "412", "413", "422", "503" };
	const char *good = strcmp(op->method, "POST") || op->list || strcmp(op->name + strcspn(op->name, "."), ".add") ? "200" : "201";
	json_t *o = json_object();
	json_object_set_new(o, good, done("done", api_revised(op) && strcmp(op->method, "DELETE") != 0, result_schema(op)));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		json_object_set_new(o, refused[i], json_pack("{s:s}", "$ref", "#/components/responses/problem"));
	json_object_set_new(o, "default", json_pack("{s:s}", "$ref", "#/components/responses/problem"));
	return o;
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
	/* Everything but a login asks who it is; at the admin socket nothing does. */
	if (op->owner == API_AUTH)
		json_object_set_new(o, "security", json_array());
	return o;
}

static json_t *problem_schema(void)
{
	static const char *const members[][3] = {
		{ "type", "string", "about:blank" },
		{ "title", "string", "what the status means" },
		{ "status", "integer", "the HTTP status" },
		{ "detail", "string", "the value that was refused and the rule, for people, in the asker's language" },
		{ "field", "string", "the field it is about" },
	};
	json_t *properties = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		json_object_set_new(properties, members[i][0],
				    json_pack("{s:s, s:s}", "type", members[i][1], "description", members[i][2]));
	return json_pack("{s:s, s:[s, s], s:o}", "type", "object", "required", "title", "status", "properties", properties);
}

static json_t *components(void)
{
	json_t *problem = json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", "refused or failed (RFC 9457)", "content",
				    "application/problem+json", "schema", "$ref", "#/components/schemas/problem");
	json_t *bearer = json_pack("{s:s, s:s, s:s}", "type", "http", "scheme", "bearer", "description",
				   "the token of a session (session.add) or of a script (token.add)");
	return json_pack("{s:{s:o}, s:{s:o}, s:{s:o}}", "schemas", "problem", problem_schema(), "responses", "problem",
			 problem, "securitySchemes", "bearer", bearer);
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
	return json_pack("{s:{s:s, s:s, s:s, s:o, s:{s:o, s:{s:s}}}}", "post", "operationId", "bulk", "summary",
			 "does one after the other, each whole or not at all, and answers each", "description",
			 "Each item may have its own if_match; a request with If-Match is refused (501).", "requestBody",
			 json_pack("{s:{s:{s:{s:s, s:[s], s:{s:{s:s, s:i, s:o}}}}}}", "content", "application/json", "schema",
				   "type", "object", "required", "items", "properties", "items", "type", "array", "maxItems",
				   (int)API_BULK_MAX, "items", item),
			 "responses", "200", done("all were tried", false, result), "default", "$ref",
			 "#/components/responses/problem");
}

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
	json_t *doc = json_pack("{s:s, s:{s:s, s:s}, s:[{s:[]}], s:o, s:o}", "openapi", "3.1.0", "info",
				"title", "Postern administration", "version", version, "security", "bearer", "paths",
				paths, "components", components());
	char *text = json_dumps(doc, JSON_INDENT(1));
	bug_if(!text);
	buf_str(out, text);
	free(text);
	json_decref(doc);
}
