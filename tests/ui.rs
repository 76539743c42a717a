//! What must not compile: data that leaves the host without having been compared with the place it goes to.

#[test]
fn nothing_leaves_unclassified_or_uncleared() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/unclassified_*.rs");
    cases.compile_fail("tests/ui/uncleared_*.rs");
    cases.compile_fail("tests/ui/forged.rs");
    cases.compile_fail("tests/ui/opened.rs");
}
