//! The command line that tries an operation, for a shell and the address at hand.

use serde_json::Value;

use super::fields::plain;

/// Where the service is for whoever asks, as `http://host:port`.
pub(super) struct Address(String);

impl Address {
    /// From what the request says. Only what can be a host is taken over: the command is there to
    /// be pasted into a shell.
    pub(super) fn new(scheme: Option<&str>, host: Option<&str>) -> Self {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        let host = host.filter(|host| !host.is_empty() && host.bytes().all(is_part));
        let scheme = if scheme == Some("https") { "https" } else { "http" };
        Self(format!("{scheme}://{}", host.unwrap_or("localhost")))
    }
}

/// One command, without the address.
pub(super) struct Curl {
    flags: Vec<String>,
    path: String,
}

impl Curl {
    /// For an operation of an OpenAPI document, with its own examples.
    pub(super) fn new(document: &Value, method: &str, path: &str, operation: &Value) -> Self {
        let mut flags = Vec::new();
        let mut path = path.to_owned();
        let mut query = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = plain(&parameter["name"]);
            // A shell's variable stands where only the reader knows the value.
            let variable =
                || (parameter["in"] == "path").then(|| format!("${}", name.to_uppercase()));
            let Some(example) = parameter.get("example").map(plain).or_else(variable) else {
                continue;
            };
            match parameter["in"].as_str() {
                Some("path") => path = path.replace(&format!("{{{name}}}"), &example),
                Some("query") => query.push(format!("{name}={example}")),
                _ => flags.push(format!("-H {}", quoted(&format!("{name}: {example}")))),
            }
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        if method != "get" {
            flags.push(format!("-X {}", method.to_uppercase()));
        }
        if operation["responses"]["200"]["content"].get("text/event-stream").is_some() {
            flags.push("-N".to_owned());
        }
        let content = operation["requestBody"]["content"].as_object();
        if let Some((kind, content)) = content.and_then(|content| content.iter().next()) {
            // With data, curl posts by itself.
            flags.retain(|flag| flag != "-X POST");
            flags.push(format!("-H {}", quoted(&format!("content-type: {kind}"))));
            if let Some(example) = example(document, content) {
                flags.push(format!("-d {}", quoted(&plain(example))));
            }
        }
        Self { flags, path }
    }

    /// The command for one address.
    pub(super) fn line(&self, address: &Address) -> String {
        let url = format!("{}{}", address.0, self.path);
        // A shell reads `?` and `&` as its own.
        let url = if self.path.contains('?') { quoted(&url) } else { url };
        let mut words = vec!["curl".to_owned()];
        words.extend(self.flags.iter().cloned());
        words.push(url);
        words.join(" ")
    }
}

/// The example of a body: its own, the first of several, or that of its type.
fn example<'a>(document: &'a Value, content: &'a Value) -> Option<&'a Value> {
    let first = || content["examples"].as_object()?.values().next()?.get("value");
    let of_type = || {
        let target = content["schema"]["$ref"].as_str()?;
        document.pointer(target.trim_start_matches('#'))?.get("example")
    };
    content.get("example").or_else(first).or_else(of_type)
}

/// A word in single quotes, in which a shell changes nothing.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(method: &str, path: &str, operation: &Value, expected: &str) {
        let address = Address::new(None, Some("127.0.0.1:3000"));
        let document = json!({ "s": { "Change": { "example": { "rate": 1 } } } });
        assert_eq!(Curl::new(&document, method, path, operation).line(&address), expected);
    }

    #[test]
    fn commands_can_be_pasted_into_a_shell() {
        let url = "http://127.0.0.1:3000";
        check("get", "/a", &json!({}), &format!("curl {url}/a"));
        check("delete", "/a", &json!({}), &format!("curl -X DELETE {url}/a"));
        let parameters = json!({ "parameters": [
            { "in": "path", "name": "id", "example": 7 },
            { "in": "query", "name": "after", "example": "0:1,2:3" },
            { "in": "query", "name": "without" },
        ] });
        let unknown = json!({ "parameters": [{ "in": "path", "name": "id" }] });
        check("get", "/a/{id}", &unknown, &format!("curl {url}/a/$ID"));
        check("get", "/a/{id}", &parameters, &format!("curl '{url}/a/7?after=0:1,2:3'"));
        let body = json!({ "requestBody": { "content": { "application/json": {
            "example": { "battle": "it's" },
        } } } });
        let typed = json!({ "requestBody": { "content": { "application/json": {
            "schema": { "$ref": "#/s/Change" },
        } } } });
        let kind = "-H 'content-type: application/json'";
        check("post", "/a", &typed, &format!("curl {kind} -d '{{\"rate\":1}}' {url}/a"));
        let data = r#"-d '{"battle":"it'\''s"}'"#;
        check("post", "/a", &body, &format!("curl {kind} {data} {url}/a"));
        check("patch", "/a", &body, &format!("curl -X PATCH {kind} {data} {url}/a"));
    }

    #[test]
    fn only_an_address_becomes_an_address() {
        let check = |scheme, host, expected: &str| {
            assert_eq!(Address::new(scheme, host).0, expected);
        };
        check(None, Some("erboh.example"), "http://erboh.example");
        check(Some("https"), Some("[::1]:3000"), "https://[::1]:3000");
        check(Some("javascript"), Some("a"), "http://a");
        check(None, Some("a;rm -rf ~"), "http://localhost");
        check(None, Some("$(id)"), "http://localhost");
        check(None, None, "http://localhost");
    }
}
