//! What one request takes over all its pieces and every attempt at them. Pure; whoever shares it locks it.
//!
//! A window of one request is an account that begins with the request and ends with it. Its limits are what the caller
//! allowed, and what the limits of the window `request` say of every name that it is asked under.

use super::{Amounts, Caps, Refusal, Window};
use crate::types::{Budget, Money};

/// The name of the account that the caller's own budget is.
const OWN: &str = "request";

/// One limit of this request, and what counts against it.
#[derive(Debug)]
struct Account {
    scope: String,
    caps: Caps,
    spent: Amounts,
    reserved: Amounts,
}

/// The accounts of one request.
#[derive(Debug)]
pub struct Once {
    most: Budget,
    accounts: Vec<Account>,
}

/// A reservation in them. It is settled exactly once, since that takes it.
#[derive(Debug)]
#[must_use = "a portion that is not settled stays reserved"]
pub struct Portion {
    amounts: Amounts,
    accounts: Vec<usize>,
}

impl Portion {
    /// The worst case that is reserved.
    pub fn amounts(&self) -> Amounts {
        self.amounts
    }
}

/// What came of asking for room.
#[derive(Debug)]
pub enum Room {
    /// It is reserved.
    Reserved(Portion),
    /// There may be room once what others of the same request have reserved is settled.
    Later,
    /// There is none, whatever the others take.
    Never(Refusal),
}

impl Once {
    /// A request that has taken nothing yet.
    pub fn new(most: Budget) -> Once {
        let caps = Caps::new(Some(u64::try_from(most.money.0).unwrap_or(0)), Some(most.tokens), None);
        let own = Account { scope: OWN.to_owned(), caps, spent: Amounts::ZERO, reserved: Amounts::ZERO };
        Once { most, accounts: vec![own] }
    }

    /// What the caller allowed, less what was taken. What is reserved may come back, so it counts as there.
    pub fn left(&self) -> Budget {
        let spent = self.accounts[0].spent;
        Budget {
            money: Money(self.most.money.0.saturating_sub(spent.money.0).max(0)),
            tokens: self.most.tokens.saturating_sub(spent.tokens),
        }
    }

    /// Reserves the worst case in the request's own account and in that of each of these names, or in none.
    pub fn reserve(&mut self, limits: Vec<(String, Caps)>, amounts: Amounts) -> Room {
        let mut places = vec![0];
        for (scope, caps) in limits {
            let known = self.accounts.iter().position(|account| account.scope == scope);
            places.push(known.unwrap_or_else(|| {
                self.accounts.push(Account { scope, caps, spent: Amounts::ZERO, reserved: Amounts::ZERO });
                self.accounts.len() - 1
            }));
        }
        let mut later = false;
        for place in &places {
            let account = &self.accounts[*place];
            if let Some((unit, limit)) = account.caps.exceeded_by(account.spent.plus(amounts)) {
                return Room::Never(Refusal::Short {
                    scope: account.scope.clone(),
                    window: Window::Request,
                    unit,
                    limit,
                    spent: account.spent.of(unit),
                    reserved: 0,
                    wanted: amounts.of(unit),
                    ends: None,
                });
            }
            later |= account.caps.exceeded_by(account.spent.plus(account.reserved).plus(amounts)).is_some();
        }
        if later {
            return Room::Later;
        }
        for place in &places {
            self.accounts[*place].reserved = self.accounts[*place].reserved.plus(amounts);
        }
        Room::Reserved(Portion { amounts, accounts: places })
    }

    /// Counts what was really taken; the rest is there again.
    pub fn settle(&mut self, portion: Portion, actual: Amounts) {
        for place in portion.accounts {
            let account = &mut self.accounts[place];
            account.reserved = account.reserved.minus(portion.amounts);
            account.spent = account.spent.plus(actual);
        }
    }
}
