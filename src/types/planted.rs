//! Bugs on purpose, for the tests that must find them.
//!
//! Code that a bug is planted in asks here whether it is. Outside this crate's own unit tests the answer is a constant
//! `false`, which the compiler removes together with the bug; there is nothing to switch on.

/// A bug that can be planted. The tests in `src/testing/tests/planted.rs` say what each of them breaks and what finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The place an admitted request has taken is never given back.
    PermitLeaks,
    /// The answer of a run is written down, but its caller never hears it.
    ReplyIsLost,
    /// A run that ended is written down twice.
    EndsTwice,
    /// The id of a detached run is handed out before the run is on disk.
    AcknowledgedTooSoon,
    /// Neither the router nor the ladder compares privacy class and trust tier.
    TierIgnored,
    /// The same, and what leaves the host is not compared with its place either.
    AnywhereCleared,
    /// An actor is started again without being counted.
    RestartUncounted,
    /// Runs that a dead host left behind are not marked when the next one starts.
    UnfinishedUnmarked,
    /// Runs that a failed io actor left behind are not marked by its next life.
    LeftBehind,
    /// What was reserved for a request stays reserved after it.
    ReservationLeaks,
    /// What a request took is written down twice.
    ChargedTwice,
    /// An item that people have decided is settled twice.
    SettledTwice,
    /// A line of waiting work does not move up when a place becomes free.
    LineStuck,
    /// A notice that did not arrive is written down as if it had.
    NoticeForgotten,
    /// A notice that did not arrive lets those behind it go first.
    NoticeOvertaken,
    /// What a host that died had still to tell is not told by the next one.
    NoticeLeftBehind,
    /// The time of an item is counted on the clock on the wall alone.
    WaitsOnTheWall,
    /// How long a run took is read off the clock on the wall.
    TookOnTheWall,
    /// A budget's window opens again when the clock on the wall goes back into it.
    WindowReopens,
    /// A call with effects is made before it is on disk that it was begun.
    BegunBehind,
    /// A call of which nobody knows whether it was made is made again.
    DoubtMadeAgain,
    /// A call whose answer a sandbox has lost is taken for not made.
    LostTakenForNotMade,
    /// Nobody is asked about a call in doubt.
    DoubtUnasked,
    /// What came of a call is not given to who asks again.
    ResultMislaid,
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Whether this bug is planted in the present thread.
#[cfg(test)]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Does something with a bug planted in the present thread, and in no other.
#[cfg(test)]
pub(crate) fn with<T>(bug: Bug, work: impl FnOnce() -> T) -> T {
    PLANTED.set(Some(bug));
    let done = work();
    PLANTED.set(None);
    done
}

/// Whether this bug is planted: never, in a program.
#[cfg(not(test))]
pub(crate) const fn planted(_bug: Bug) -> bool {
    false
}
