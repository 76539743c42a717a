//! The list of system calls as a jail puts it up; `calls` says what is on it and why.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::During;
use crate::sandbox::calls::{self, Must, When};

/// The warden, as everybody in a jail sees it.
const WARDEN: u64 = 1;

fn word(argument: u8, is: Is, value: i64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, Length::Dword, is, u64::from(value as u32))
}

fn condition(when: &When) -> Result<SeccompCondition, seccompiler::BackendError> {
    match when.must {
        Must::Equal(value) => word(when.argument, Is::Eq, i64::from(value)),
        Must::Lack(bits) => SeccompCondition::new(when.argument, Length::Qword, Is::MaskedEq(u64::from(bits)), 0),
    }
}

/// Allowed with some arguments, beside those that are so everywhere: every row is one way, and all conditions of a row
/// must hold.
fn own() -> Result<Vec<(c_long, Vec<SeccompCondition>)>, seccompiler::BackendError> {
    // A terminal takes keys from whoever may push them, and the host may have one.
    let keys = vec![
        word(1, Is::Ne, libc::TIOCSTI as i64)?,
        word(1, Is::Ne, libc::TIOCLINUX as i64)?,
        word(1, Is::Ne, libc::TIOCSCTTY as i64)?,
    ];
    let not_warden =
        |call| -> Result<_, seccompiler::BackendError> { Ok((call, vec![word(0, Is::Ne, WARDEN as i64)?])) };
    let own_process = vec![word(0, Is::Eq, i64::from(libc::PRIO_PROCESS))?, word(1, Is::Ne, WARDEN as i64)?];
    Ok(vec![
        (libc::SYS_ioctl, keys),
        not_warden(libc::SYS_prlimit64)?,
        not_warden(libc::SYS_sched_setaffinity)?,
        not_warden(libc::SYS_sched_setattr)?,
        not_warden(libc::SYS_sched_setparam)?,
        not_warden(libc::SYS_sched_setscheduler)?,
        (libc::SYS_setpriority, own_process),
    ])
}

fn programs() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let target = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in calls::ALLOWED.iter().chain(calls::OLDER).chain(calls::HIDDEN) {
        rules.insert(call.number, Vec::new());
    }
    for (call, when) in calls::CONDITIONAL.iter().chain(calls::CONDITIONAL_OLDER) {
        rules.entry(call.number).or_default().push(SeccompRule::new(vec![condition(when)?])?);
    }
    for (call, conditions) in own()? {
        rules.entry(call).or_default().push(SeccompRule::new(conditions)?);
    }
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let allowed = SeccompFilter::new(rules, refuse, SeccompAction::Allow, target)?;
    let hidden = calls::HIDDEN.iter().map(|call| (call.number, Vec::new())).collect();
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let hidden = SeccompFilter::new(hidden, SeccompAction::Allow, absent, target)?;
    Ok([allowed.try_into()?, hidden.try_into()?])
}

/// Puts up the filter around this process and everything it will start.
pub(super) fn put_up() -> Result<(), String> {
    let [allowed, hidden] = programs().during(|| "write the list of system calls".to_owned())?;
    let apply = || {
        apply_filter(&hidden)?;
        apply_filter(&allowed)
    };
    apply().during(|| "put up the list of system calls".to_owned())
}
