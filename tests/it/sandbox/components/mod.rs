//! Components, written as text and made when a test runs, so that no machine has to have a compiler for them.

mod attacks;
mod files;
mod given;
mod kills;
mod tables;
mod way;
mod web;

use std::path::Path;
use std::sync::Arc;

use syzygy::sandbox::wasm::{Config, Held, Wasm};
use syzygy::sandbox::{Limits, Program, Spec};
use syzygy::types::Hash;
use tempfile::TempDir;

use super::{clock, defaults, limits};

const PRELUDE: &str = include_str!("prelude.wat");
const MAIN: &str = include_str!("main.wat");
const FILES: &str = include_str!("files.wat");
const FILES_CORE: &str = include_str!("files-core.wat");
const FILES_MAIN: &str = include_str!("files-main.wat");
const FILES_FUNCTIONS: &str = include_str!("files-functions.wat");
const WEB: &str = include_str!("web.wat");
const WEB_CORE: &str = include_str!("web-core.wat");
const WEB_MAIN: &str = include_str!("web-main.wat");
const WEB_FUNCTIONS: &str = include_str!("web-functions.wat");
const TOOL: &str = include_str!("tool.wat");

/// Where texts of a program begin in its memory.
const TEXTS_FROM: usize = 1_024;

/// What a command is made of.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Source<'a> {
    /// What it does.
    pub(crate) body: &'a str,
    /// Functions, tables and globals of its own.
    pub(crate) functions: &'a str,
    /// Further parts of the component.
    pub(crate) parts: &'a str,
    /// Whether it can use files.
    pub(crate) files: bool,
    /// Whether it can send requests.
    pub(crate) web: bool,
}

/// Replaces every `@"text"` by where the text is and how long, and returns the texts too.
fn texts(source: &str) -> (String, String) {
    let (mut out, mut data, mut at) = (String::new(), String::new(), TEXTS_FROM);
    let mut rest = source;
    while let Some(begin) = rest.find("@\"") {
        out.push_str(&rest[..begin]);
        let text = &rest[begin + 2..];
        let mut length = 0;
        let mut end = 0;
        let bytes = text.as_bytes();
        while bytes[end] != b'"' {
            // An escape is one byte, written as `\n`, `\"` or two digits.
            end += match (bytes[end], bytes.get(end + 1)) {
                (b'\\', Some(next)) if next.is_ascii_hexdigit() => 3,
                (b'\\', _) => 2,
                _ => 1,
            };
            length += 1;
        }
        out.push_str(&format!("(i32.const {at}) (i32.const {length})"));
        data.push_str(&format!("(data (i32.const {at}) \"{}\")\n", &text[..end]));
        at += length;
        rest = &text[end + 1..];
    }
    out.push_str(rest);
    (out, data)
}

fn parsed(text: &str) -> Vec<u8> {
    wat::parse_str(format!("(component\n{text}\n)")).unwrap_or_else(|error| panic!("{error}"))
}

/// A component with a `main`.
pub(crate) fn command(source: Source<'_>) -> Vec<u8> {
    let files = |text: &'static str| if source.files { text } else { "" };
    let web = |text: &'static str| if source.web { text } else { "" };
    let prelude = PRELUDE.replacen("  FILES\n", &format!("{}\n{}", files(FILES), web(WEB)), 1);
    let functions = format!("{}\n{}\n{}", files(FILES_FUNCTIONS), web(WEB_FUNCTIONS), source.functions);
    let with = [files("(with \"files\" (instance $files))"), web("(with \"web\" (instance $web))")].concat();
    let main = MAIN
        .replacen("    FILES\n", &format!("{}\n{}", files(FILES_MAIN), web(WEB_MAIN)), 1)
        .replacen("FUNCTIONS", &functions, 1)
        .replacen("      BODY\n", source.body, 1)
        .replacen("FILES_WITH", &with, 1);
    let (main, data) = texts(&main);
    let core = [files(FILES_CORE), web(WEB_CORE), source.parts].join("\n");
    parsed(&format!("{prelude}\n{core}\n{}", main.replacen("    TEXTS", &data, 1)))
}

/// A component of the tools' world.
pub(crate) fn tool(body: &str) -> Vec<u8> {
    let (text, data) = texts(&TOOL.replacen("      BODY", body, 1));
    parsed(&text.replacen("    TEXTS", &data, 1))
}

pub(crate) fn spec(tool: &str, component: &[u8], limits: Limits) -> Spec {
    let mut spec = Spec::command(tool, &["-"], limits);
    spec.program = Program::Component(Hash::of(component));
    spec
}

/// The tier with these components, and where its directories are made.
pub(crate) struct Tier {
    pub(crate) wasm: Wasm,
    pub(crate) folder: TempDir,
}

impl Tier {
    pub(crate) async fn new(components: impl IntoIterator<Item = Vec<u8>>) -> Tier {
        Tier::with(components, |_| ()).await
    }

    pub(crate) async fn with(components: impl IntoIterator<Item = Vec<u8>>, change: impl FnOnce(&mut Config)) -> Tier {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("calls");
        let mut config = Config { folder: place, private: Vec::new(), components: defaults().wasm };
        // Many tests at a time each set addresses aside.
        config.components.instances_max = 64;
        change(&mut config);
        let mut held = Held::default();
        for component in components {
            held.put(component);
        }
        let wasm = Wasm::open(config, Arc::new(held), clock()).await.unwrap();
        Tier { wasm, folder }
    }

    /// What invocations left on disk.
    pub(crate) fn left(&self) -> Vec<String> {
        list(&self.folder.path().join("calls"))
    }
}

fn list(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The tools of the suite that every tier passes, as commands.
pub(crate) fn suite_command(name: &str) -> Vec<u8> {
    let body = match name {
        "echo" => {
            r#"(call $listen) (call $print @"{\"type\":\"result\",\"value\":")
               (call $print (global.get $input) (global.get $input-length)) (call $print @"}\n")"#
        }
        "chunks" => {
            r#"(call $print @"{\"type\":\"chunk\",\"text\":\"one\"}\n{\"type\":\"log\",\"level\":\"warn\",\"text\":\"two\"}\n")
               (call $print @"{\"type\":\"memory_delta\",\"delta\":{\"three\":3}}\n{\"type\":\"result\",\"value\":\"end\"}\n")"#
        }
        "fails" => {
            r#"(call $print @"{\"type\":\"error\",\"class\":\"not_found\",\"message\":\"could not find it\"}\n")
               (call $exit (i32.const 1))"#
        }
        "long" => {
            r#"(memory.fill (i32.const 131072) (i32.const 0x78) (i32.const 100000))
               (call $print @"{\"type\":\"chunk\",\"text\":\"") (call $print (i32.const 131072) (i32.const 100000))
               (call $print @"\"}\n") (call $held)"#
        }
        "floods" => {
            r#"(memory.fill (i32.const 131072) (i32.const 0x78) (i32.const 10000))
               (loop $ever
                 (call $print @"{\"type\":\"chunk\",\"text\":\"") (call $print (i32.const 131072) (i32.const 10000))
                 (call $print @"\"}\n") (br $ever))"#
        }
        "hangs" => "(loop $ever (call $sleep (i64.const 1000000000)) (br $ever))",
        _ => "(call $held) (call $exit (i32.const 1))",
    };
    command(Source { body, ..Source::default() })
}

/// The same as tools of the WIT world.
pub(crate) fn suite_tool(name: &str) -> Vec<u8> {
    tool(match name {
        "echo" => "(call $ok (local.get $at) (local.get $length))",
        "chunks" => {
            r#"(call $chunk @"one") (call $log (i32.const 2) @"two") (call $memory-delta @"{\"three\": 3}")
               (call $ok @"\"end\"")"#
        }
        "fails" => r#"(call $error @"not_found" @"could not find it")"#,
        "long" => {
            r#"(memory.fill (i32.const 131072) (i32.const 0x78) (i32.const 100000))
               (call $chunk (i32.const 131072) (i32.const 100000)) (call $ok @"null")"#
        }
        "floods" => {
            r#"(memory.fill (i32.const 131072) (i32.const 0x78) (i32.const 10000))
               (loop $ever (call $chunk (i32.const 131072) (i32.const 10000)) (br $ever)) (unreachable)"#
        }
        "hangs" => "(loop $ever (br $ever)) (unreachable)",
        // It says that it is JSON.
        _ => r#"(call $ok @"{\"half\":")"#,
    })
}

/// Bounds of the suite.
pub(crate) fn suite_limits() -> Limits {
    limits()
}
