//! A binary built for newer processors ends with a sentence on older ones, not with SIGILL.

/// Whether this processor has what this binary was compiled to use. Call it first: what runs before may already be an
/// instruction the processor does not know.
///
/// The standard library's `is_x86_feature_detected!` cannot be asked, because it answers `true` for whatever the binary
/// was compiled with. The processor itself is asked instead.
///
/// # Errors
/// A sentence for the operator that names what is missing.
pub fn cpu_check() -> Result<(), String> {
    let missing: Vec<&str> =
        features().into_iter().filter(|(_, built, here)| *built && !here).map(|row| row.0).collect();
    verdict(&missing)
}

/// The sentence for these missing features.
pub(super) fn verdict(missing: &[&str]) -> Result<(), String> {
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "could not start: this binary was built for processors with {}, which this one lacks; build it here with `make`, \
         which chooses fitting flags, or with RUSTFLAGS unset",
        missing.join(", ")
    ))
}

/// The features of x86-64-v3 that decide how our numeric code is compiled: name, compiled in, present here.
#[cfg(target_arch = "x86_64")]
pub(super) fn features() -> Vec<(&'static str, bool, bool)> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    let leaves = __cpuid(0).eax;
    let basic = if leaves >= 1 { __cpuid(1).ecx } else { 0 };
    let extended = if leaves >= 7 { __cpuid_count(7, 0).ebx } else { 0 };
    let bit = |register: u32, index: u32| register >> index & 1 == 1;
    // Bit 27 says that the operating system saves the wide registers; without it AVX faults even where it exists.
    let wide = bit(basic, 27) && bit(basic, 28);
    vec![
        ("avx", cfg!(target_feature = "avx"), wide),
        ("fma", cfg!(target_feature = "fma"), wide && bit(basic, 12)),
        ("f16c", cfg!(target_feature = "f16c"), wide && bit(basic, 29)),
        ("avx2", cfg!(target_feature = "avx2"), wide && bit(extended, 5)),
        ("bmi1", cfg!(target_feature = "bmi1"), bit(extended, 3)),
        ("bmi2", cfg!(target_feature = "bmi2"), bit(extended, 8)),
    ]
}

/// Other architectures are built for their baseline.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn features() -> Vec<(&'static str, bool, bool)> {
    Vec::new()
}
