//! The policies that come with the host. An operator adds to them; whoever leaves one out says so by naming it.

use super::Source;

/// Every file of `config/policy`, by name.
pub fn builtin() -> Vec<Source> {
    let files = [
        ("scopes.cedar", include_str!("../../../config/policy/scopes.cedar")),
        ("harmless.cedar", include_str!("../../../config/policy/harmless.cedar")),
        ("roles.cedar", include_str!("../../../config/policy/roles.cedar")),
        ("residency.cedar", include_str!("../../../config/policy/residency.cedar")),
        ("privacy.cedar", include_str!("../../../config/policy/privacy.cedar")),
        ("effects.cedar", include_str!("../../../config/policy/effects.cedar")),
    ];
    files.map(|(name, text)| Source { name: name.to_owned(), text: text.to_owned() }).into()
}
