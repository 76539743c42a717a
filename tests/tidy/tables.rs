//! What the rules know, as data: layers, libraries and who may name them, limits and words.

/// The layers, bottom first. A module may name what stands in a row above its own, never its own row's others.
/// Layer 4 is three rows, because supervision, cluster and actors stand on each other; so are the edges, because the
/// command line reads what the API answers with the API's own types.
pub(crate) const LAYERS: &[&[&str]] = &[
    &["types"],
    &["telemetry", "tds"],
    &["inference", "sandbox", "store", "bus", "secrets", "egress", "field"],
    &["ziggy", "lap", "memory", "flow", "research", "rat"],
    &["supervision"],
    &["cluster"],
    &["actors"],
    &["api", "adapters"],
    &["cli"],
];

/// The root sees everything and nothing sees it. A name counts with what follows it: `host` is also `host_tree.rs`.
pub(crate) const ROOT: &[&str] = &["lib", "main", "host", "config", "fuzz", "testing"];

/// The actors, left to right. One may name those to its right; what else lies in `src/actors` is common ground, which
/// names no actor.
pub(crate) const ACTORS: &[&str] = &["io", "inbox", "router", "crown", "agent", "executor", "runtime", "keeper"];

/// The files an actor folder holds, so that who knows one actor finds their way in all of them.
pub(crate) const ACTOR_FILES: &[&str] = &["mod", "message", "state", "actor", "handle", "tests"];

/// Who may name a library.
pub(crate) enum Where {
    /// Every module: it is vocabulary, not a backend.
    Anywhere,
    /// These modules only.
    Only(&'static [&'static str]),
}

/// A library of `Cargo.toml` and the modules that may name it.
pub(crate) struct Library {
    /// As in `Cargo.toml`.
    pub(crate) name: &'static str,
    /// Who may name it.
    pub(crate) place: Where,
    /// Why there and not elsewhere.
    pub(crate) reason: &'static str,
}

const fn only(name: &'static str, modules: &'static [&'static str], reason: &'static str) -> Library {
    Library { name, place: Where::Only(modules), reason }
}

const fn anywhere(name: &'static str, reason: &'static str) -> Library {
    Library { name, place: Where::Anywhere, reason }
}

/// Every dependency. A new one gets a row here in the same commit.
pub(crate) const LIBRARIES: &[Library] = &[
    only("anyhow", &["main", "host", "cli"], "elsewhere an error has a class, which anyhow forgets"),
    anywhere("arc-swap", "snapshots are published in many places"),
    anywhere("async-trait", "ports are traits"),
    only("axum", &["api", "adapters"], "HTTP is spoken at the edge"),
    anywhere("backon", "whoever calls out may retry"),
    only("base64", &["api", "cli"], "bytes in JSON cross the edge"),
    only("biscuit-auth", &["lap"], "grants are tokens of one kind, and LAP issues and checks them"),
    only("blake3", &["types", "store"], "others use types::Hash"),
    only("bollard", &["sandbox"], "containers are a tier"),
    only("bytes", &["sandbox"], "the streams of wasmtime-wasi and of bollard are made of it"),
    only("candle-core", &["inference"], "models are a backend of one port"),
    only("candle-nn", &["inference"], "models are a backend of one port"),
    only("candle-transformers", &["inference"], "models are a backend of one port"),
    only("cedar-policy", &["lap"], "others ask lap::policy, which says more than yes or no"),
    only("close_fds", &["sandbox"], "what a jail may not inherit is closed where jails are made"),
    only("clap", &["main", "cli"], "arguments are read at the edge"),
    anywhere("dashmap", "maps shared across threads"),
    only(
        "fastrand",
        &["types", "supervision", "fuzz"],
        "chance is passed in as types::Random; backoff and fuzzing draw from a seed",
    ),
    anywhere("futures", "vocabulary of async code"),
    only("getrandom", &["main", "host", "api", "secrets"], "seeds and tokens are made where the host is put together"),
    only("hyper", &["api"], "HTTP is spoken at the edge"),
    only("hyper-util", &["api"], "HTTP is spoken at the edge"),
    only("httparse", &["egress"], "what a tool sends out is read there"),
    only("httpdate", &["inference"], "endpoints may say when to come back as a date"),
    only("indicatif", &["main", "cli"], "only a terminal shows progress bars"),
    only("jsonschema", &["tds"], "others use tds::Schema"),
    only("landlock", &["sandbox"], "a fence of jails"),
    only("libc", &["sandbox"], "system calls are known by number where they are filtered"),
    only("miette", &["lap"], "Cedar's errors say their places by its trait"),
    only("mimalloc", &["main"], "the allocator of the program; who embeds the host chooses their own"),
    only("minijinja", &["inference"], "chat templates belong to models"),
    only("minijinja-contrib", &["inference"], "goes with minijinja"),
    only("opentelemetry", &["telemetry"], "others use tracing"),
    only("opentelemetry-otlp", &["telemetry"], "others use tracing"),
    only("opentelemetry_sdk", &["telemetry"], "others use tracing"),
    anywhere("parking_lot", "locks"),
    only("prometheus-client", &["telemetry"], "others use telemetry::Metrics"),
    only("ractor", &["supervision", "cluster", "actors"], "the actor kernel is the runtime layer's"),
    only("regex", &["types"], "patterns of sensitive data stand in one place; decisions are not made by regex"),
    only("regex-syntax", &["tds"], "texts are made of the patterns of a tool's schema"),
    only("reqwest", &["inference", "telemetry", "field", "secrets", "cli"], "who speaks HTTP to others"),
    only("rmcp", &["adapters"], "MCP changes every few months; one folder follows it"),
    only(
        "rustix",
        &["inference", "sandbox", "secrets", "store", "host"],
        "signals and locks of the operating system, behind a port; the program's own limits, at its root",
    ),
    only(
        "rustls",
        &["inference", "telemetry", "field", "secrets", "egress", "api", "cli", "main", "host"],
        "goes with reqwest and tokio-rustls",
    ),
    only("rustls-platform-verifier", &["egress"], "whom requests on their way out may trust"),
    only("safetensors", &["inference"], "the static embedding table"),
    only("saphyr-parser", &["tds"], "a tool may be written in YAML; nothing else is"),
    only("schemars", &["tds"], "the schema of tool.toml comes out of its types"),
    only("semver", &["tds"], "others use the versions of tds"),
    only("seccompiler", &["sandbox"], "a fence of jails"),
    anywhere("serde", "data"),
    anywhere("serde_json", "data"),
    only("serde_json_canonicalizer", &["tds"], "others use tds::canonical"),
    only(
        "sha2",
        &["inference", "field"],
        "publishers pin model files by it, receivers of webhooks check signatures; our own hashes are types::Hash",
    ),
    only("sqlx", &["store"], "SQL is the store's"),
    only("strsim", &["tds"], "misspelled keys are found where files are read"),
    only("subtle", &["api"], "tokens are compared where they are checked"),
    anywhere(
        "tempfile",
        "tests have directories of their own; the store reads what it cannot read in place from a copy",
    ),
    anywhere("thiserror", "every folder has an Error"),
    only("tokenizers", &["inference"], "tokens belong to models"),
    anywhere("tokio", "the async runtime"),
    only("tokio-rustls", &["api", "egress"], "TLS of connections in at the edge, and out of a sandbox"),
    anywhere("tokio-util", "cancellation tokens"),
    only("toml", &["config", "host", "tds", "inference", "ziggy", "actors"], "who reads the files in config/"),
    only("tower-http", &["api", "adapters"], "HTTP is spoken at the edge"),
    anywhere("tracing", "every hop is a span"),
    only("tracing-opentelemetry", &["telemetry"], "others use tracing"),
    only("tracing-subscriber", &["telemetry"], "others use tracing"),
    anywhere("utoipa", "types that cross the edge describe themselves, as they do to serde"),
    only("uuid", &["types"], "others use types::RunId"),
    only("wasmtime", &["sandbox"], "components are a tier"),
    only("wasmtime-wasi", &["sandbox"], "components are a tier"),
    only("whatlang", &["ziggy"], "language is a feature of classification"),
    only("zeroize", &["types", "secrets", "egress"], "who holds a secret's bytes wipes them"),
    only("zip", &["inference"], "packages that carry models"),
];

/// Lines of a Rust file at the most: more is two subjects.
pub(crate) const FILE_LINES_MAX: usize = 500;

/// Lines of a function at the most, signature included: what fits on one screen.
pub(crate) const FUNCTION_LINES_MAX: usize = 70;

/// Words that mark unfinished work.
pub(crate) const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

/// Macros that mark unfinished work.
pub(crate) const UNFINISHED_MACROS: &[&str] = &["dbg!", "todo!", "unimplemented!"];

/// Beginnings of paths that exist on somebody's machine and nowhere else.
pub(crate) const MACHINE_PATHS: &[&str] = &["/work/", "/root/", "/tmp/", "/home/"];

/// Words a document does without, and what to write instead.
pub(crate) const WORDS: &[(&str, &str)] = &[
    ("blazing", "give the figure"),
    ("blazingly", "give the figure"),
    ("cutting-edge", "say what it does"),
    ("easily", "show the command"),
    ("effortless", "show the command"),
    ("effortlessly", "show the command"),
    ("leverage", "write `use`"),
    ("leverages", "write `uses`"),
    ("obviously", "leave it out"),
    ("powerful", "say what it can do"),
    ("robust", "say what it survives"),
    ("seamless", "say what the reader does not have to do"),
    ("seamlessly", "say what the reader does not have to do"),
    ("simply", "leave it out"),
    ("state-of-the-art", "name the work"),
    ("utilize", "write `use`"),
    ("world-class", "give the figure"),
];
