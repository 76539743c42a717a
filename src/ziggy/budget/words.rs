//! Budgets in plain words, for refusals and for `why`.

use super::{Amounts, News, Refusal, Reservation, Settlement, Standing, Unit, What, Window};
use crate::types::Money;
use crate::ziggy::explain::Explain;

/// So much of a unit, as people say it.
pub(super) fn said(unit: Unit, amount: u64) -> String {
    match unit {
        Unit::Money => Money(i64::try_from(amount).unwrap_or(i64::MAX)).to_string(),
        Unit::Tokens => format!("{amount} tokens"),
        Unit::Requests => format!("{amount} {}", if amount == 1 { "request" } else { "requests" }),
    }
}

fn per(window: Window) -> &'static str {
    match window {
        Window::Request => "for one request",
        Window::Minute => "a minute",
        Window::Day => "a day",
        Window::Month => "a month",
        Window::Total => "in all",
    }
}

impl Explain for Refusal {
    fn words(&self) -> Vec<String> {
        match self {
            Refusal::Short { scope, window: Window::Request, unit, limit, spent, wanted, .. } if *spent > 0 => {
                vec![format!(
                    "{scope} may spend {} for one request; {} of it is spent, and this part may take {}; ask about less, \
                     or raise the limit.",
                    said(*unit, *limit),
                    said(*unit, *spent),
                    said(*unit, *wanted)
                )]
            }
            Refusal::Short { scope, window: Window::Request, unit, limit, wanted, .. } => vec![format!(
                "{scope} may spend {} for one request, and this one may take {}; ask for fewer max_tokens or raise the \
                 limit.",
                said(*unit, *limit),
                said(*unit, *wanted)
            )],
            Refusal::Short { scope, window, unit, limit, spent, reserved, wanted, ends } => {
                let left = limit.saturating_sub(*spent).saturating_sub(*reserved);
                let until = match ends {
                    _ if self.held_back() => {
                        "what is reserved and not used is free again when those requests end".to_owned()
                    }
                    Some(ends) => format!("the {} ends at {}", window.word(), ends.rfc3339()),
                    None => "it does not begin again by itself".to_owned(),
                };
                vec![format!(
                    "{scope} has {} left of {} {} ({} spent, {} reserved), and this may take {}; {until}.",
                    said(*unit, left),
                    said(*unit, *limit),
                    per(*window),
                    said(*unit, *spent),
                    said(*unit, *reserved),
                    said(*unit, *wanted),
                )]
            }
            Refusal::Crowded { scope, most } => vec![format!(
                "{scope} has no budget yet, and {most} are kept at the most (budgets.accounts_most); it works when one of \
                 the others has ended, or with a higher limit."
            )],
        }
    }
}

fn all(amounts: &Amounts) -> String {
    format!("{} and {} tokens", amounts.money, amounts.tokens)
}

impl Explain for Reservation {
    fn words(&self) -> Vec<String> {
        let accounts: Vec<String> =
            self.accounts.iter().map(|account| format!("{} ({})", account.scope, account.window.word())).collect();
        vec![format!("At most {} were reserved for it, of {}.", all(&self.amounts), accounts.join(", "))]
    }
}

impl Explain for Settlement {
    fn words(&self) -> Vec<String> {
        if let Some(reason) = &self.unknown {
            return vec![format!("What was reserved was charged in full, {}: {reason}.", all(&self.charged))];
        }
        let rest = self.reserved.minus(self.charged);
        let mut words = vec![format!("Charged were {}; {} went back.", all(&self.charged), all(&rest))];
        if self.over {
            words.push("That is more than had been reserved; it was charged in full.".to_owned());
        }
        words
    }
}

/// A rate in thousandths, as people say it.
fn rate(thousandths: u64) -> String {
    format!("{}.{}", thousandths / 1_000, thousandths % 1_000 / 100)
}

impl Explain for News {
    fn words(&self) -> Vec<String> {
        let Standing { window, unit, limit, reserved, spent, refused, ends, burn, used_up_at, .. } = &self.standing;
        let amounts = format!(
            "{} of {} {} are spent and {} reserved",
            said(*unit, *spent),
            said(*unit, *limit),
            per(*window),
            said(*unit, *reserved)
        );
        let until =
            ends.map_or("it does not begin again".to_owned(), |ends| format!("it begins again at {}", ends.rfc3339()));
        match (self.what, burn) {
            (What::Burning, Some(burn)) => {
                let mut words = vec![format!(
                    "It burns at {} times the pace it lasts for, and lately at {} ({} and {} over longer looks back).",
                    rate(burn.fast_long),
                    rate(burn.fast_short),
                    rate(burn.slow_long),
                    rate(burn.slow_short)
                )];
                words.push(format!("{amounts}; {until}."));
                words.extend(used_up_at.map(|at| format!("At this pace it is used up at {}.", at.rfc3339())));
                words
            }
            _ => vec![format!("It is used up, and {refused} requests were refused: {amounts}; {until}.")],
        }
    }
}
