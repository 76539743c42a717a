//! How large a tool's description may be. A description is written by hand, so the limits are generous for people and
//! still keep what a hostile one can cost at milliseconds.

/// Bytes of a description. The longest of our own is a twentieth of it.
pub const DOCUMENT_BYTES_MAX: usize = 256 << 10;

/// Levels of tables and lists in a description. TOML's own reader gives up at 80, so this is the same for all formats.
pub const DEPTH_MAX: usize = 64;

/// Values in a description, those that YAML aliases repeat counted each time.
pub const NODES_MAX: usize = 20_000;

/// Problems that are reported of one description; who has more has the wrong file.
pub const PROBLEMS_MAX: usize = 100;

/// The greatest whole number, 2^53 - 1: what every reader of JSON keeps exactly (RFC 7493).
pub const NUMBER_MAX: i64 = 9_007_199_254_740_991;

/// Values in one JSON Schema of a tool.
pub const SCHEMA_NODES_MAX: usize = 2_000;

/// Levels of one JSON Schema of a tool.
pub const SCHEMA_DEPTH_MAX: usize = 32;

/// Choices of one `enum`. More are data, not a schema.
pub const ENUM_MAX: usize = 500;

/// Schemas that checking one path through a value may visit, with every `$ref` followed. Honest schemas stay below a
/// thousand; a fan of references that doubles at each step passes this after seventeen.
pub const SCHEMA_COST_MAX: u64 = 100_000;

/// How deep a value is assumed to be when that cost is counted: as deep as a message may be.
pub const UNFOLDED_DEPTH: usize = SCHEMA_DEPTH_MAX;

/// References in one JSON Schema of a tool: what follows them goes as deep as they make a chain.
pub const SCHEMA_REFERENCES_MAX: usize = 200;

/// References by an anchor's name among them; the anchor is looked for each time.
pub const SCHEMA_NAMED_MAX: usize = 32;

/// Patterns in one JSON Schema of a tool. Compiling the greatest one takes some ten milliseconds.
pub const SCHEMA_PATTERNS_MAX: usize = 32;

/// Pairs of schemas that are compared between two versions; a schema has some hundred parts, and each meets its like.
pub const COMPARED_MAX: usize = 50_000;

/// How deep two schemas are compared; recursion ends where a pair was seen before.
pub const COMPARED_DEPTH: usize = 100;

/// Bytes of one pattern.
pub const PATTERN_BYTES_MAX: usize = 512;

/// Bytes of one compiled pattern: a name of a hundred letters of any script, `^[\\p{L} '-]{1,100}$`, takes half of it,
/// `((a{100}){100}){100}` many times as much.
pub const PATTERN_COMPILED_MAX: usize = 4 << 20;

/// Bytes of a golden fixture: an input and an output at their default limits.
pub const FIXTURE_BYTES_MAX: usize = 2 << 20;
