//! Combinations of keys that make no sense.

use super::super::problem::Reporter;
use super::super::tool::{Capability, HostSource, KeySource, SideEffects, Tool};
use super::pointers;

pub(super) fn check(reporter: &mut Reporter<'_>, tool: &Tool) {
    version(reporter, tool);
    capabilities(reporter, tool);
    effects(reporter, tool);
    idempotency(reporter, tool);
    host(reporter, tool);
    deprecation(reporter, tool);
}

fn version(reporter: &mut Reporter<'_>, tool: &Tool) {
    if !tool.serves().takes(&tool.version) {
        let found = format!("the range {} without the version {} itself", tool.serves(), tool.version);
        reporter.error("/semver_range", found, "a range that this version is in");
    }
    let backoff = &tool.retry.backoff;
    if backoff.first_ms > backoff.most_ms {
        let found = format!("a first wait of {} ms and a longest of {} ms", backoff.first_ms, backoff.most_ms);
        reporter.error("/retry/backoff", found, "first_ms of at most most_ms");
    }
}

fn capabilities(reporter: &mut Reporter<'_>, tool: &Tool) {
    let offers = |capability| tool.capabilities.contains(&capability);
    let changes = tool.side_effects != SideEffects::None;
    if changes && !offers(Capability::Action) {
        let found =
            if offers(Capability::Query) { "a query with side effects" } else { "side effects without `action`" };
        reporter.error("/capabilities", found, "`action` among the capabilities, or side_effects = \"none\"");
    }
    if !changes && offers(Capability::Action) {
        reporter.error("/capabilities", "an action without side effects", "`query`, or the side effects it has");
    }
    let in_pieces = offers(Capability::Stream) || offers(Capability::Subscription);
    if in_pieces && tool.interface.chunk.is_none() {
        let expected = "interface.chunk, the schema of one piece";
        reporter.error("/interface", "an answer in pieces without their schema", expected);
    }
    if !in_pieces && tool.interface.chunk.is_some() {
        let expected = "`stream` or `subscription` among the capabilities";
        reporter.error("/interface/chunk", "a schema of pieces for an answer in one", expected);
    }
    if offers(Capability::Batch) && tool.limits.batch_items < 2 {
        reporter.error("/limits/batch_items", "`batch` with one item a call", "at least 2");
    }
    if !offers(Capability::Batch) && tool.limits.batch_items > 1 {
        let found = format!("{} items a call", tool.limits.batch_items);
        reporter.error("/limits/batch_items", found, "`batch` among the capabilities");
    }
    if offers(Capability::Batch) && tool.limits.batch_items > 1 && in_pieces {
        reporter.error("/capabilities", "`batch` with an answer in pieces", "one of the two: pieces name no item");
    }
}

fn effects(reporter: &mut Reporter<'_>, tool: &Tool) {
    let repeated = tool.side_effects == SideEffects::NonIdempotent && tool.retry.attempts > 1;
    if repeated && tool.idempotency.is_none() {
        let found = format!("{} attempts of a call that does something each time", tool.retry.attempts);
        reporter.error("/retry/attempts", found, "1, or [idempotency] with a key");
    }
    if tool.side_effects == SideEffects::None {
        if tool.idempotency.is_some() {
            reporter.warn("/idempotency", "a key for a call that changes nothing", "no key, or side effects");
        }
        if tool.compensation.is_some() {
            reporter.error(
                "/compensation",
                "how to undo a call that changes nothing",
                "no compensation, or side effects",
            );
        }
    } else if tool.cache.is_some() {
        reporter.error("/cache", "answers used again of a call that changes something", "side_effects = \"none\"");
    }
}

fn idempotency(reporter: &mut Reporter<'_>, tool: &Tool) {
    match tool.idempotency.as_ref().map(|idempotency| &idempotency.key) {
        Some(KeySource::Host)
            if !tool.interface.host.values().any(|argument| argument.from == HostSource::IdempotencyKey) =>
        {
            let expected = "a host argument with from = \"idempotency_key\", or a pointer into the input";
            reporter.error("/idempotency/key", "a key of the host that the tool is not told", expected);
        }
        Some(KeySource::Input(pointer)) if !pointers::is_required(tool, pointer) => {
            let found = format!("a key from {pointer}, which need not be there");
            reporter.error("/idempotency/key", found, "a required property of the input");
        }
        _ => {}
    }
}

/// What the model fills in and what the host adds are different things, also by name.
fn host(reporter: &mut Reporter<'_>, tool: &Tool) {
    for name in tool.interface.host.keys() {
        let at = format!("/interface/input/properties/{name}");
        if tool.interface.input.0.pointer(&at["/interface/input".len()..]).is_some() {
            let found = format!("{name:?}, which is a host argument", name = name.as_str());
            reporter.error(&at, found, "another name: what the host adds is not the model's to fill in");
        }
    }
}

fn deprecation(reporter: &mut Reporter<'_>, tool: &Tool) {
    let Some(deprecation) = &tool.deprecation else { return };
    if let (Some(released), Some(sunset)) = (tool.released_at, deprecation.sunset_at)
        && sunset < released
    {
        let found = format!("an end on {sunset}, before the release on {released}");
        reporter.error("/deprecation/sunset_at", found, "a later day");
    }
    for (index, old) in deprecation.replaces.iter().enumerate() {
        if old.id == tool.id && old.range.takes(&tool.version) {
            let at = format!("/deprecation/replaces/{index}");
            reporter.error(&at, "a tool that replaces itself", "another tool, or older versions of this one");
        }
    }
    if let Some(new) = &deprecation.replaced_by {
        if new.id == tool.id && new.range.takes(&tool.version) {
            reporter.error(
                "/deprecation/replaced_by",
                "a tool that is replaced by itself",
                "another tool, or newer versions",
            );
        }
    } else if deprecation.sunset_at.is_some() && deprecation.message.is_empty() {
        reporter.warn(
            "/deprecation",
            "an end without a word",
            "replaced_by, or a message that says what to do instead",
        );
    }
}
