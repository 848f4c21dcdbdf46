//! Tidy: the house rules that neither the compiler nor clippy knows, as a test.
//!
//! Each rule is a pure function from a file's path and text to findings, so that it is itself
//! tested on bad input: a rule that never finds anything protects nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file in the repository: its path below the root with `/`, and what it says.
struct File {
    path: String,
    text: String,
}

/// Longer files are about more than one noun.
const LINES_MAX: usize = 500;

/// What people write by hand and what is therefore held short.
const CODE: [&str; 11] =
    ["rs", "go", "py", "java", "sh", "html", "css", "js", "mjs", "toml", "run"];

/// What is read for machine paths and links besides the code.
const OTHER_TEXT: [&str; 5] = ["md", "yaml", "yml", "xml", "txt"];

/// Each module of the app with its layer; a module may name only modules of lower layers.
const LAYERS: [(&str, u8); 17] = [
    ("limits", 0),
    ("rating", 1),
    ("totals", 2),
    ("queue", 2),
    ("web", 2),
    ("telemetry", 1),
    ("ops", 3),
    ("spec", 3),
    ("producer", 4),
    ("consumer", 4),
    ("audit", 5),
    ("broker", 5),
    ("demo", 6),
    ("doctor", 5),
    ("smoke", 5),
    ("cli", 7),
    ("main", 8),
];

/// Directories whose content is not ours or not written by hand.
const SKIPPED_DIRECTORIES: [&str; 3] = ["target", "node_modules", "corpus"];

/// The parts of absolute paths that exist on one machine only; split so as not to find itself.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];

/// The headings that every decision record has.
const ADR_HEADINGS: [&str; 5] = ["Status", "Context", "Decision", "Consequences", "Revisit when"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every text file of the repository.
fn files() -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let hidden =
                    name.starts_with('.') && ![".ci", ".cargo", ".github"].contains(&name.as_str());
                if !hidden && !SKIPPED_DIRECTORIES.contains(&name.as_str()) {
                    directories.push(path);
                }
            } else if is_text(&name) {
                let below = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                found.push(File { path: below, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    assert!(found.len() > 10, "the repository was not found at {}", root.display());
    found
}

fn extension(path: &str) -> &str {
    path.rsplit(['.', '/']).next().unwrap_or(path)
}

/// Path and text of the files below a directory of the repository.
pub(crate) fn sources(directory: &str) -> Vec<(String, String)> {
    let below = |file: &File| file.path.starts_with(directory);
    files().into_iter().filter(below).map(|File { path, text }| (path, text)).collect()
}

fn is_text(name: &str) -> bool {
    CODE.contains(&extension(name)) || OTHER_TEXT.contains(&extension(name)) || name == "Dockerfile"
}

/// The lines of a Rust file with their numbers, without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = |line| match str::find(line, "//") {
        Some(at) if !line[..at].ends_with(':') => &line[..at],
        _ => line,
    };
    text.lines().enumerate().map(move |(index, line)| (index + 1, code(line)))
}

/// The identifiers of a line, each with what follows it.
fn identifiers(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(is_part).filter_map(move |(start, _)| {
        let goes_on_from_before = line[..start].chars().next_back().is_some_and(is_part);
        let rest = &line[start..];
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        (!goes_on_from_before).then(|| (&rest[..end], &rest[end..]))
    })
}

/// Whether the line names that crate in a path or a `use`.
fn names_crate(line: &str, name: &str) -> bool {
    let uses = line.trim_start().trim_start_matches("pub ").starts_with(&format!("use {name}"));
    identifiers(line).any(|(word, rest)| word == name && (uses || rest.starts_with("::")))
}

/// The app's top-level modules that the line names by `crate::` or, in `main.rs`, by `erboh::`;
/// `use crate::{a::B, c}` names two.
fn modules_named(line: &str) -> BTreeSet<&str> {
    let mut named = BTreeSet::new();
    for prefix in ["crate::", "erboh::"] {
        for (at, _) in line.match_indices(prefix) {
            let rest = &line[at + prefix.len()..];
            match rest.strip_prefix('{') {
                None => named.extend(identifiers(rest).next().map(|(word, _)| word)),
                Some(list) => named.extend(heads_of_list(list)),
            }
        }
    }
    named
}

/// Of `a::{b, c}, d}` the heads `a` and `d`.
fn heads_of_list(list: &str) -> Vec<&str> {
    let (mut heads, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(identifiers(&list[start..at]).next().map(|(word, _)| word));
                start = at + 1;
            }
            _ => {}
        }
    }
    heads
}

/// The statements of a file on one line each as far as `use` lists go: a list that rustfmt has
/// spread over lines is joined, so that its heads are seen.
fn joined_uses(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in code_lines(text) {
        match lines.last_mut() {
            Some((_, statement)) if open => statement.push_str(line),
            _ => lines.push((number, line.to_owned())),
        }
        let statement = &lines.last().unwrap().1;
        let is_use = statement.trim_start().trim_start_matches("pub ").starts_with("use ");
        open = is_use && !statement.contains(';');
    }
    lines
}

fn layer_of(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

fn check_layering(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    let mut find = |line, what: &str| findings.push(format!("{}:{line}: {what}", file.path));
    if let Some(below) = file.path.strip_prefix("crates/erboh/src/") {
        let module = below.split(['/', '.']).next().unwrap_or(below);
        if module == "lib" {
            return findings;
        }
        let Some(layer) = layer_of(module) else {
            find(1, "this module has no layer yet: give it one in LAYERS");
            return findings;
        };
        for (number, line) in joined_uses(&file.text) {
            for named in modules_named(&line).into_iter().filter(|named| *named != module) {
                if layer_of(named).is_some_and(|other| other >= layer) {
                    find(
                        number,
                        &format!("`{module}` may not name `{named}`, which is not below it"),
                    );
                }
            }
            let client = ["rdkafka", "openssl"];
            if module != "queue" && client.iter().any(|name| names_crate(&line, name)) {
                find(number, "only queue/ names the Kafka client and its OpenSSL");
            }
            if !["demo", "broker"].contains(&module) && names_crate(&line, "erboh_broker") {
                find(number, "only `demo` and `broker` name the embedded broker");
            }
        }
    } else if file.path.starts_with("crates/broker/") && extension(&file.path) == "rs" {
        for (number, line) in code_lines(&file.text) {
            if identifiers(line).any(|(word, _)| word == "erboh") {
                find(number, "the broker knows nothing of erboh");
            }
        }
    }
    findings
}

fn check_length(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    if CODE.contains(&extension(&file.path)) && lines > LINES_MAX {
        return vec![format!("{}: {lines} lines; the limit is {LINES_MAX}", file.path)];
    }
    Vec::new()
}

fn check_machine_paths(file: &File) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    let found = lines.filter(|(_, line)| MACHINE_PATHS.iter().any(|path| line.contains(path)));
    found.map(|(index, _)| format!("{}:{}: a path of one machine", file.path, index + 1)).collect()
}

/// Relative links of a Markdown page must lead to something; `exists` takes a path below the root.
fn check_links(file: &File, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    if extension(&file.path) != "md" {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for (at, _) in line.match_indices("](") {
            let link = line[at + 2..].split([')', ' ', '#']).next().unwrap_or("");
            if link.is_empty() || link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            if !exists(&resolve(&file.path, link)) {
                let place = format!("{}:{}", file.path, index + 1);
                findings.push(format!("{place}: the link `{link}` leads nowhere"));
            }
        }
    }
    findings
}

/// `link` as seen from the page at `from`, as a path below the root.
fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The tests that a Markdown page names in backticks, as `module::name`, must be there: a table of
/// hazards is worth what its tests are. `is_test` takes the name of a file and of a function in it.
fn check_named_tests(file: &File, is_test: &dyn Fn(&str, &str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    if file.path != "docs/reliability.md" {
        return findings;
    }
    for (index, line) in file.text.lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2).filter(|quoted| quoted.contains("::")) {
            let mut parts = quoted.rsplit("::");
            let (name, module) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            if !is_test(module, name) {
                findings.push(format!("{}:{}: there is no test `{quoted}`", file.path, index + 1));
            }
        }
    }
    findings
}

/// Whether one of the files `module.rs` or `module/mod.rs` has that function or module.
fn has_test(files: &[File], module: &str, name: &str) -> bool {
    let ends = [format!("/{module}.rs"), format!("/{module}/mod.rs")];
    let mut of_module = files.iter().filter(|file| ends.iter().any(|end| file.path.ends_with(end)));
    let (function, inner) = (format!("fn {name}("), format!("mod {name};"));
    of_module.any(|file| file.text.contains(&function) || file.text.contains(&inner))
}

fn check_adr(file: &File) -> Vec<String> {
    let Some(name) = file.path.strip_prefix("docs/adr/") else { return Vec::new() };
    if !name.starts_with(|c: char| c.is_ascii_digit()) {
        return Vec::new();
    }
    let has = |heading: &str| file.text.lines().any(|line| line == format!("## {heading}"));
    let missing = ADR_HEADINGS.into_iter().filter(|heading| !has(heading));
    missing.map(|heading| format!("{}: no heading `## {heading}`", file.path)).collect()
}

fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn the_repository_is_tidy() {
    let root = root();
    let exists = |path: &str| root.join(path).exists();
    let files = files();
    let is_test = |module: &str, name: &str| has_test(&files, module, name);
    let findings = |file: &File| {
        let mut all = check_layering(file);
        all.extend(check_length(file));
        all.extend(check_machine_paths(file));
        all.extend(check_links(file, &exists));
        all.extend(check_named_tests(file, &is_test));
        all.extend(check_adr(file));
        all
    };
    assert_none(&files.iter().flat_map(findings).collect::<Vec<_>>());
}

/// Each rule finds what it is for, and nothing in what is well.
#[track_caller]
fn check(rule: impl Fn(&File) -> Vec<String>, path: &str, text: &str, findings: usize) {
    let found = rule(&File { path: path.to_owned(), text: text.to_owned() });
    assert_eq!(found.len(), findings, "{path}: {found:?}");
}

#[test]
fn layering_is_enforced() {
    let check = |path: &str, text: &str, findings| check(check_layering, path, text, findings);
    check("crates/erboh/src/rating/mod.rs", "use crate::totals::Board;", 1);
    check("crates/erboh/src/totals/mod.rs", "use crate::rating::Voice;", 0);
    check("crates/erboh/src/totals/mod.rs", "use crate::{rating::{A, B}, queue};", 1);
    check(
        "crates/erboh/src/totals/mod.rs",
        "use crate::{\n    rating::A,\n    consumer::B,\n};",
        1,
    );
    check("crates/erboh/src/totals/mod.rs", "let b = crate::demo::B; // crate::main", 1);
    check("crates/erboh/src/totals/mod.rs", "//! crate::demo comes later", 0);
    check("crates/erboh/src/producer/mod.rs", "use crate::consumer::Board;", 1);
    check("crates/erboh/src/producer/mod.rs", "use crate::producer::page;", 0);
    check("crates/erboh/src/novelty.rs", "", 1);
    check("crates/erboh/src/consumer/mod.rs", "use rdkafka::Message;", 1);
    check("crates/erboh/src/cli/kafka.rs", "use openssl::x509::X509;", 1);
    check("crates/erboh/src/consumer/mod.rs", "fn f(m: rdkafka::Message) {}", 1);
    check("crates/erboh/src/queue/mod.rs", "use rdkafka::Message;", 0);
    check("crates/erboh/src/producer/mod.rs", "erboh_broker::serve()", 1);
    check("crates/erboh/src/demo.rs", "use erboh_broker::serve;", 0);
    check("crates/broker/src/lib.rs", "use erboh::rating;", 1);
    check("crates/broker/src/lib.rs", "let topic = \"erboh-ratings\";", 1);
    check("crates/broker/src/lib.rs", "use erboh_broker::serve; // erboh", 0);
}

#[test]
fn long_files_are_found() {
    check(check_length, "a.rs", &"x\n".repeat(LINES_MAX), 0);
    check(check_length, "a.rs", &"x\n".repeat(LINES_MAX + 1), 1);
    check(check_length, ".ci/run", &"x\n".repeat(LINES_MAX + 1), 1);
    check(check_length, "a.md", &"x\n".repeat(LINES_MAX + 1), 0);
}

#[test]
fn machine_paths_are_found() {
    check(check_machine_paths, "a.md", &format!("see {}x", MACHINE_PATHS[0]), 1);
    check(check_machine_paths, "a.md", "see docs/adr", 0);
}

#[test]
fn dead_links_are_found() {
    let rule = |file: &File| check_links(file, &|path| path == "docs/adr/0001-a.md");
    check(rule, "docs/a.md", "[one](adr/0001-a.md#context) [two](https://kafka.apache.org)", 0);
    check(rule, "README.md", "[one](docs/adr/0001-a.md), [here](#flow)", 0);
    check(rule, "docs/adr/0002-b.md", "[one](../adr/./0001-a.md)", 0);
    check(rule, "docs/a.md", "[one](0001-a.md) [two](../a.md)", 2);
}

#[test]
fn tests_that_are_named_but_not_there_are_found() {
    let text = "fn a_b() {}\nmod c;\n".to_owned();
    let files = [File { path: "tests/it/members.rs".into(), text }];
    let rule =
        |file: &File| check_named_tests(file, &|module, name| has_test(&files, module, name));
    check(rule, "docs/reliability.md", "`engine::members::a_b`, `members::c`, `min.insync`", 0);
    check(rule, "docs/reliability.md", "`members::a_`, `other::a_b`", 2);
    check(rule, "docs/other.md", "`members::a`", 0);
}

#[test]
fn incomplete_decision_records_are_found() {
    let whole: String = ADR_HEADINGS.map(|heading| format!("## {heading}\n\ntext\n")).concat();
    check(check_adr, "docs/adr/0001-a.md", &whole, 0);
    check(check_adr, "docs/adr/0001-a.md", "# A\n## Status\n### Context\n", 4);
    check(check_adr, "docs/adr/README.md", "# Decisions", 0);
}
