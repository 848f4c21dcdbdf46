//! Fields: a schema as a person reads it, one line for each value that a body can hold.
//!
//! ```text
//!  {"voices":[{"voice":…,"sum":…}]}  ─►  voices            list of objects
//!                                        voices[].voice    text, 1 to 100 characters
//!                                        voices[].sum      number, 0 or more
//! ```

use serde_json::Value;

use crate::web::grouped;

/// How deep a reader follows objects in objects.
const DEPTH_MAX: usize = 3;

/// One value in a body, or one parameter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name, after the names of what it stands in.
    pub(super) name: String,
    /// What kind of value it is, and its bounds.
    pub(super) kind: String,
    /// What it means, as Markdown.
    pub(super) description: String,
    /// Whether it may be absent.
    pub(super) optional: bool,
}

/// The fields of a body that has this schema; `document` is where its references lead.
pub(super) fn fields(document: &Value, schema: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    collect(document, schema, "", DEPTH_MAX, &mut found);
    found
}

fn collect(document: &Value, schema: &Value, prefix: &str, depth: usize, found: &mut Vec<Field>) {
    for part in parts(document, schema) {
        if let Some(data) = part.get("contentSchema") {
            collect(document, data, prefix, depth, found);
        }
        if let Some(items) = part.get("items") {
            // Of a body that is a list, the elements are of interest.
            let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}[]") };
            collect(document, items, &prefix, depth, found);
        }
        let required = |name: &str| {
            let names = part["required"].as_array();
            names.is_some_and(|names| names.iter().any(|required| required == name))
        };
        for (name, value) in part["properties"].as_object().into_iter().flatten() {
            let separator = if prefix.is_empty() { "" } else { "." };
            let field = Field {
                name: format!("{prefix}{separator}{name}"),
                kind: kind(document, value),
                description: text(document, value),
                optional: !required(name),
            };
            let (name, known) = (field.name.clone(), found.iter().any(|of| of.name == field.name));
            if !known {
                found.push(field);
            }
            if depth > 1 && !known {
                collect(document, value, &name, depth - 1, found);
            }
        }
    }
}

/// The schemas that a value must or may have, references followed; null is none of them.
fn parts<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    if let Some(target) = schema["$ref"].as_str() {
        let target = document.pointer(target.trim_start_matches('#'));
        return target.map_or_else(Vec::new, |target| parts(document, target));
    }
    let composed = ["allOf", "oneOf", "anyOf"].iter().find_map(|key| schema[*key].as_array());
    match composed {
        Some(parts_of) => parts_of.iter().flat_map(|part| parts(document, part)).collect(),
        None if schema["type"] == "null" => Vec::new(),
        None => vec![schema],
    }
}

/// What a value means: what is said where it is used, or else of its type.
fn text(document: &Value, schema: &Value) -> String {
    let said = schema["description"].as_str().map(ToOwned::to_owned);
    let of_parts = || parts(document, schema).iter().find_map(|part| part["description"].as_str());
    said.or_else(|| of_parts().map(ToOwned::to_owned)).unwrap_or_default()
}

/// What kind of value it is, in words.
pub(super) fn kind(document: &Value, schema: &Value) -> String {
    let mut kinds: Vec<String> = Vec::new();
    for part in parts(document, schema) {
        let kind = kind_of(document, part);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.join(" or ")
}

fn kind_of(document: &Value, schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(plain).collect();
        return values.join(", ");
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap_or(&Value::Null),
        kind => kind,
    };
    match kind.as_str() {
        Some("string") if schema["format"] == "uuid" => "UUID".to_owned(),
        Some("string") => format!("text{}", range(schema, "minLength", "maxLength", " characters")),
        Some("integer") => format!("number{}", range(schema, "minimum", "maximum", "")),
        Some("number") => format!("decimal number{}", range(schema, "minimum", "maximum", "")),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => format!("list of {}", kind_in(document, &schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("object with {} by name", kind_in(document, &schema["additionalProperties"]))
        }
        Some("object") => "object".to_owned(),
        _ => "anything".to_owned(),
    }
}

/// The kind of what stands in a list or under a name.
fn kind_in(document: &Value, schema: &Value) -> String {
    let kind = kind(document, schema);
    match kind.as_str() {
        "object" | "number" => format!("{kind}s"),
        _ => kind,
    }
}

/// A bound on a value as `, 1 to 100 characters`.
fn range(schema: &Value, least: &str, most: &str, unit: &str) -> String {
    let bound = |name: &str| match &schema[name] {
        Value::Number(number) => Some(number.as_i64().map_or(number.to_string(), grouped)),
        _ => None,
    };
    match (bound(least), bound(most)) {
        (Some(least), Some(most)) if least == most => format!(", {least}{unit}"),
        (Some(least), Some(most)) => format!(", {least} to {most}{unit}"),
        (Some(least), None) => format!(", {least}{unit} or more"),
        (None, Some(most)) => format!(", at most {most}{unit}"),
        (None, None) => String::new(),
    }
}

/// A value as it is read, without the marks of JSON around a text.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_are_read_as_a_person_says_them() {
        let document = json!({ "s": { "Id": { "type": "string", "format": "uuid" } } });
        let check = |schema: Value, expected: &str| assert_eq!(kind(&document, &schema), expected);
        check(json!({ "type": "string" }), "text");
        check(
            json!({ "type": "string", "minLength": 1, "maxLength": 100 }),
            "text, 1 to 100 characters",
        );
        check(json!({ "type": ["integer", "null"], "minimum": 0 }), "number, 0 or more");
        check(json!({ "type": "integer", "maximum": 30_000 }), "number, at most 30,000");
        check(json!({ "type": "integer", "enum": [0, 1, 2] }), "0, 1, 2");
        check(json!({ "oneOf": [{ "$ref": "#/s/Id" }, { "type": "null" }] }), "UUID");
        check(json!({ "type": "array", "items": { "type": "object" } }), "list of objects");
        check(
            json!({ "oneOf": [{ "type": "object" }, { "type": "boolean" }] }),
            "object or true or false",
        );
        check(json!({}), "anything");
    }

    #[test]
    fn fields_of_fields_carry_their_path() {
        let inner = json!({ "type": "object", "required": ["b"], "properties": {
            "b": { "type": "string", "description": "B" },
        } });
        let document = json!({ "s": { "Inner": inner } });
        let schema = json!({ "type": "array", "items": { "type": "object", "properties": {
            "a": { "type": "array", "items": { "$ref": "#/s/Inner" } },
        } } });
        let found = fields(&document, &schema);
        let field = |name: &str, kind: &str, description: &str, optional| Field {
            name: name.into(),
            kind: kind.into(),
            description: description.into(),
            optional,
        };
        assert_eq!(
            found,
            [field("a", "list of objects", "", true), field("a[].b", "text", "B", false)]
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let document = json!({ "s": { "Node": { "type": "object", "properties": {
            "next": { "$ref": "#/s/Node" },
        } } } });
        let found = fields(&document, &json!({ "$ref": "#/s/Node" }));
        let names: Vec<&str> = found.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["next", "next.next", "next.next.next"]);
    }
}
