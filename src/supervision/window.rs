//! The restart window: how often children may fail before their supervisor gives up. OTP's `add_restart`.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::spec::Intensity;

/// What the window says to one more restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Within the limit.
    Restart,
    /// Over it: stop everything and let the level above decide.
    GiveUp,
}

/// Counts a restart at `now` into `times` and says whether it is still within `intensity`. `times` afterwards holds
/// only restarts inside the period, oldest first; a restart exactly one period old no longer counts, as in OTP.
pub fn restart_window(times: &mut VecDeque<Instant>, now: Instant, intensity: Intensity) -> Verdict {
    times.push_back(now);
    while let Some(oldest) = times.front() {
        if now.saturating_duration_since(*oldest) < intensity.period || times.len() == 1 {
            break;
        }
        times.pop_front();
    }
    if times.len() > intensity.restarts as usize { Verdict::GiveUp } else { Verdict::Restart }
}
