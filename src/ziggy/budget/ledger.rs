//! The ledger: accounts, what is reserved in them, and what was charged. Pure; whoever shares it locks it.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::account::{Account, News, Standing, What};
use super::limits::{Caps, EACH};
use super::{Amounts, BurnConfig, Config, Refusal, Scope, Window};
use crate::types::Timestamp;

/// The names a request belongs to, one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The user or key.
    pub principal: &'a str,
    /// The agent.
    pub agent: &'a str,
    /// The destination.
    pub destination: &'a str,
    /// The runtime.
    pub provider: &'a str,
    /// The model.
    pub model: &'a str,
}

impl Claim<'_> {
    fn name(&self, scope: Scope) -> &str {
        match scope {
            Scope::Tenant => self.tenant,
            Scope::Principal => self.principal,
            Scope::Agent => self.agent,
            Scope::Destination => self.destination,
            Scope::Provider => self.provider,
            Scope::Model => self.model,
        }
    }
}

/// An account that a reservation counts in, by its name and the beginning of its window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Whose, such as `tenant:acme`. Shared, since it is named for every request.
    #[serde(serialize_with = "as_text", deserialize_with = "as_shared")]
    pub scope: Arc<str>,
    /// Which window.
    pub window: Window,
    /// When that window began.
    pub began: Timestamp,
}

fn as_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn as_shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    Ok(String::deserialize(deserializer)?.into())
}

/// A reservation. It is charged or given back exactly once, since that takes it.
#[derive(Debug)]
#[must_use = "a reservation that is neither charged nor given back stays reserved"]
pub struct Held {
    amounts: Amounts,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    account: u32,
    began: Timestamp,
}

impl Held {
    /// The worst case that is reserved.
    pub fn amounts(&self) -> Amounts {
        self.amounts
    }

    /// Whether no limit is for it, so that it counts nowhere.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// The limits of one kind of name.
#[derive(Debug, Default)]
struct Rules {
    named: HashMap<Box<str>, Vec<(Window, Caps)>>,
    each: Vec<(Window, Caps)>,
}

/// The accounts of one name, and what one request may take.
#[derive(Debug)]
struct Known {
    accounts: Vec<u32>,
    once: Option<Caps>,
}

/// All accounts.
#[derive(Debug)]
pub struct Ledger {
    rules: [Rules; Scope::ALL.len()],
    known: [HashMap<Box<str>, Known>; Scope::ALL.len()],
    accounts: Vec<Account>,
    /// Places of accounts that were forgotten.
    free: Vec<u32>,
    most: usize,
    burn: BurnConfig,
    changed: Vec<u32>,
}

impl Ledger {
    /// A ledger with these limits, and an empty account for every name they tell.
    pub fn new(config: &Config, now: Timestamp) -> Ledger {
        let mut rules: [Rules; Scope::ALL.len()] = Default::default();
        for limit in &config.limits {
            let Some((scope, name)) = Scope::parse(&limit.scope) else { continue };
            let kind = &mut rules[scope as usize];
            let row = (limit.window, limit.caps());
            if name == EACH { kind.each.push(row) } else { kind.named.entry(name.into()).or_default().push(row) }
        }
        let mut ledger = Ledger {
            rules,
            known: Default::default(),
            accounts: Vec::new(),
            free: Vec::new(),
            most: config.accounts_most,
            burn: config.burn,
            changed: Vec::new(),
        };
        for scope in Scope::ALL {
            let mut names: Vec<Box<str>> = ledger.rules[scope as usize].named.keys().cloned().collect();
            names.sort_unstable();
            names.iter().for_each(|name| ledger.open(scope, name, now));
        }
        ledger
    }

    /// Whether there is any limit at all.
    pub fn limited(&self) -> bool {
        self.rules.iter().any(|rules| !rules.each.is_empty() || !rules.named.is_empty())
    }

    /// Opens the accounts of a name that a limit is for. What was said of a name by itself replaces what was said of
    /// each, window by window.
    fn open(&mut self, scope: Scope, name: &str, now: Timestamp) {
        let limits = self.limits(scope, name);
        let full: Arc<str> = format!("{scope}:{name}").into();
        let mut known = Known { accounts: Vec::with_capacity(limits.len()), once: None };
        for (window, caps) in limits {
            if window == Window::Request {
                known.once = Some(caps);
                continue;
            }
            let account = Account::new(Arc::clone(&full), window, caps, now);
            known.accounts.push(self.put(account));
        }
        self.known[scope as usize].insert(name.into(), known);
    }

    fn limits(&self, scope: Scope, name: &str) -> Vec<(Window, Caps)> {
        let rules = &self.rules[scope as usize];
        let own = rules.named.get(name).map_or(&[][..], Vec::as_slice);
        let others = rules.each.iter().filter(|(window, _)| own.iter().all(|(said, _)| said != window));
        own.iter().chain(others).copied().collect()
    }

    fn put(&mut self, account: Account) -> u32 {
        if let Some(place) = self.free.pop() {
            self.accounts[place as usize] = account;
            return place;
        }
        self.accounts.push(account);
        // There are at most `most` accounts, far below the range of the number.
        u32::try_from(self.accounts.len() - 1).unwrap_or(u32::MAX)
    }

    /// Makes sure that a name has its accounts, if a limit is for it. Says whether there was room.
    fn ensure(&mut self, scope: Scope, name: &str, claim: Option<&Claim<'_>>, now: Timestamp) -> bool {
        let rules = &self.rules[scope as usize];
        if rules.each.is_empty() || self.known[scope as usize].contains_key(name) {
            return true;
        }
        let wanted = rules.each.len();
        if self.accounts.len() - self.free.len() + wanted > self.most {
            self.forget(claim, now);
        }
        if self.accounts.len() - self.free.len() + wanted > self.most {
            return false;
        }
        self.open(scope, name, now);
        true
    }

    /// Lets go of names in whose windows nothing was charged and nothing is reserved: they begin again as they are. Since
    /// time only goes forward (B4), none of them can come back to a window it had used.
    fn forget(&mut self, claim: Option<&Claim<'_>>, now: Timestamp) {
        for scope in Scope::ALL {
            let (accounts, free) = (&self.accounts, &mut self.free);
            let named = &self.rules[scope as usize].named;
            self.known[scope as usize].retain(|name, known| {
                // Those of the claim that needs the room may have been opened for it a moment ago.
                let asks = claim.is_some_and(|claim| claim.name(scope) == &**name);
                let stays = asks || !idle(accounts, known, now) || named.contains_key(name);
                if !stays {
                    free.extend(&known.accounts);
                }
                stays
            });
        }
    }

    /// Accounts that could be opened, once those that may be forgotten are.
    fn room(&self, claim: &Claim<'_>, now: Timestamp) -> usize {
        let stays = |scope: Scope| {
            let named = &self.rules[scope as usize].named;
            let known = self.known[scope as usize].iter();
            known
                .filter(|(name, known)| {
                    let asks = claim.name(scope) == &***name;
                    asks || named.contains_key(*name) || !idle(&self.accounts, known, now)
                })
                .map(|(_, known)| known.accounts.len())
                .sum::<usize>()
        };
        self.most.saturating_sub(Scope::ALL.into_iter().map(stays).sum())
    }

    /// What [`Ledger::reserve`] would refuse, without opening or counting anything.
    pub fn look(&self, claim: &Claim<'_>, amounts: Amounts, now: Timestamp) -> Option<Refusal> {
        let (mut short, mut opened): (Option<Refusal>, usize) = (None, 0);
        for scope in Scope::ALL {
            let (rules, name) = (&self.rules[scope as usize], claim.name(scope));
            let known = self.known[scope as usize].get(name);
            if known.is_none() && rules.each.is_empty() {
                continue;
            }
            let limits = self.limits(scope, name);
            let full = || format!("{scope}:{name}");
            if known.is_none() {
                opened += rules.each.len();
                if opened > self.most.saturating_sub(self.accounts.len() - self.free.len())
                    && opened > self.room(claim, now)
                {
                    return Some(Refusal::Crowded { scope: full(), most: self.most });
                }
            }
            let once = limits.iter().find(|(window, _)| *window == Window::Request);
            if let Some((unit, limit)) = once.and_then(|(_, caps)| caps.exceeded_by(amounts)) {
                let (window, wanted) = (Window::Request, amounts.of(unit));
                return Some(Refusal::Short {
                    scope: full(),
                    window,
                    unit,
                    limit,
                    spent: 0,
                    reserved: 0,
                    wanted,
                    ends: None,
                });
            }
            for (window, caps) in limits.into_iter().filter(|(window, _)| *window != Window::Request) {
                let places = known.into_iter().flat_map(|known| &known.accounts);
                let mut kept = places.map(|place| &self.accounts[*place as usize]).filter(|one| one.window == window);
                let current = kept.next().filter(|one| one.period.ends.is_none_or(|ends| now < ends));
                let begun = Account::new(full().into(), window, caps, now);
                let account = current.unwrap_or(&begun);
                let taken = account.spent.plus(account.reserved);
                if let Some((unit, limit)) = caps.exceeded_by(taken.plus(amounts)) {
                    let refusal = account.short(unit, limit, amounts);
                    let later = short.as_ref().is_none_or(|known| ends_later(&refusal, known));
                    short = if later { Some(refusal) } else { short };
                }
            }
        }
        short
    }

    /// What one request may take, for every name of a claim that has such a limit. Who counts a request's attempts
    /// together ([`super::Once`]) holds them against it; here each attempt is.
    pub fn once(&self, claim: &Claim<'_>) -> Vec<(String, Caps)> {
        let within =
            |rows: &[(Window, Caps)]| rows.iter().find(|(window, _)| *window == Window::Request).map(|(_, caps)| *caps);
        let of = |scope: Scope| {
            let (rules, name) = (&self.rules[scope as usize], claim.name(scope));
            let own = rules.named.get(name).and_then(|rows| within(rows));
            Some((format!("{scope}:{name}"), own.or_else(|| within(&rules.each))?))
        };
        Scope::ALL.into_iter().filter_map(of).collect()
    }

    /// Reserves the worst case in every account of these names, or in none (B2).
    pub fn reserve(&mut self, claim: &Claim<'_>, amounts: Amounts, now: Timestamp) -> Result<Held, Refusal> {
        let mut parts = Vec::with_capacity(Scope::ALL.len());
        // Of several that are short one that is used up, and of those the one whose window ends last: before that it makes
        // no sense to come back.
        let mut short: Option<Refusal> = None;
        for scope in Scope::ALL {
            let name = claim.name(scope);
            let known = match self.known[scope as usize].get(name) {
                Some(known) => known,
                None if self.rules[scope as usize].each.is_empty() => continue,
                None => {
                    if !self.ensure(scope, name, Some(claim), now) {
                        return Err(Refusal::Crowded { scope: format!("{scope}:{name}"), most: self.most });
                    }
                    let Some(opened) = self.known[scope as usize].get(name) else { continue };
                    opened
                }
            };
            if let Some((unit, limit)) = known.once.and_then(|caps| caps.exceeded_by(amounts)) {
                return Err(Refusal::Short {
                    scope: format!("{scope}:{name}"),
                    window: Window::Request,
                    unit,
                    limit,
                    spent: 0,
                    reserved: 0,
                    wanted: amounts.of(unit),
                    ends: None,
                });
            }
            for place in &known.accounts {
                let account = &mut self.accounts[*place as usize];
                account.roll(now);
                let taken = account.spent.plus(account.reserved);
                if let Some((unit, limit)) = account.caps.exceeded_by(taken.plus(amounts)) {
                    let refusal = account.short(unit, limit, amounts);
                    // What is only held back is not used up, and may be asked for often.
                    if !refusal.held_back() {
                        account.refused = account.refused.saturating_add(1);
                        account.touch(*place, &mut self.changed);
                    }
                    let later = short.as_ref().is_none_or(|known| ends_later(&refusal, known));
                    short = if later { Some(refusal) } else { short };
                }
                parts.push(Part { account: *place, began: account.period.began });
            }
        }
        if let Some(refusal) = short {
            return Err(refusal);
        }
        for part in &parts {
            let account = &mut self.accounts[part.account as usize];
            account.reserved = account.reserved.plus(amounts);
            account.open += 1;
        }
        Ok(Held { amounts, parts })
    }

    /// Charges what was really taken; the rest of the reservation is free again. Says whether more was taken than had
    /// been reserved.
    pub fn commit(&mut self, held: Held, actual: Amounts, now: Timestamp) -> bool {
        let over = actual.minus(held.amounts);
        for part in held.parts {
            let account = &mut self.accounts[part.account as usize];
            account.open = account.open.saturating_sub(1);
            if let Some(recent) = &mut account.recent {
                recent.add(now, actual);
            }
            // One that reserved in a window which is over counts there, and there is nothing left to do.
            if account.period.began == part.began {
                account.reserved = account.reserved.minus(held.amounts);
                account.spent = account.spent.plus(actual);
                account.over = account.over.plus(over);
            }
            account.touch(part.account, &mut self.changed);
        }
        over != Amounts::ZERO
    }

    /// Gives a reservation back of which nothing was used (B3).
    pub fn refund(&mut self, held: Held) {
        for part in held.parts {
            let account = &mut self.accounts[part.account as usize];
            account.open = account.open.saturating_sub(1);
            if account.period.began == part.began {
                account.reserved = account.reserved.minus(held.amounts);
            }
        }
    }

    /// Charges a reservation in full: nobody knows what it took (B5).
    pub fn charge(&mut self, held: Held, now: Timestamp) {
        let amounts = held.amounts;
        self.commit(held, amounts, now);
    }

    /// The accounts of a reservation, for the record.
    pub fn accounts(&self, held: &Held) -> Vec<Charge> {
        let of = |part: &Part| {
            let account = &self.accounts[part.account as usize];
            Charge { scope: Arc::clone(&account.scope), window: account.window, began: part.began }
        };
        held.parts.iter().map(of).collect()
    }

    /// Takes over what was charged before a restart. What no limit is for any more is left out.
    pub fn load(&mut self, charge: &Charge, spent: Amounts, now: Timestamp) {
        let Some((scope, name)) = Scope::parse(&charge.scope) else { return };
        self.ensure(scope, name, None, now);
        let Some(known) = self.known[scope as usize].get(name) else { return };
        let account = known.accounts.iter().find(|place| self.accounts[**place as usize].window == charge.window);
        let Some(account) = account.map(|place| &mut self.accounts[*place as usize]) else { return };
        // Also one that began later than now: it was opened before the clock went back (B4).
        if charge.began >= account.period.began {
            account.period = charge.window.period(charge.began);
            account.spent = spent;
            account.roll(now);
        }
    }

    /// How every account stands, by scope, window and unit.
    pub fn standings(&mut self, now: Timestamp) -> Vec<Standing> {
        self.standings_of("", usize::MAX, now).0
    }

    /// The same for the first so many accounts whose scope begins so, and how many others there are. Only those are sorted
    /// and looked at, since whoever reserves waits meanwhile.
    pub fn standings_of(&mut self, prefix: &str, most: usize, now: Timestamp) -> (Vec<Standing>, usize) {
        let known = self.known.iter().flat_map(HashMap::values).flat_map(|known| known.accounts.iter().copied());
        let mut places: Vec<u32> =
            known.filter(|place| self.accounts[*place as usize].scope.starts_with(prefix)).collect();
        let key = |place: &u32| (&self.accounts[*place as usize].scope, self.accounts[*place as usize].window);
        let more = places.len().saturating_sub(most);
        if more > 0 {
            places.select_nth_unstable_by(most, |one, other| key(one).cmp(&key(other)));
            places.truncate(most);
        }
        places.sort_unstable_by(|one, other| key(one).cmp(&key(other)));
        let standings = places.iter().flat_map(|place| self.accounts[*place as usize].standings(now, &self.burn));
        (standings.collect(), more)
    }

    /// What an operator should know that happened since the last time: each pace and the first refusal once a window.
    pub fn news(&mut self, now: Timestamp) -> Vec<News> {
        let mut news = Vec::new();
        for place in std::mem::take(&mut self.changed) {
            let account = &mut self.accounts[place as usize];
            account.changed = false;
            let standings = account.standings(now, &self.burn);
            let worst = standings.iter().max_by_key(|standing| standing.pace);
            if let Some(standing) = worst {
                if standing.pace > account.told.0 {
                    news.push(News { what: What::Burning, standing: standing.clone() });
                }
                account.told.0 = standing.pace;
            }
            let empty = standings.iter().min_by_key(|standing| standing.left);
            if let (Some(standing), false) = (empty.filter(|standing| standing.refused > 0), account.told.1) {
                news.push(News { what: What::Exhausted, standing: standing.clone() });
                account.told.1 = true;
            }
        }
        news
    }
}

/// Whether nothing was charged and nothing is reserved in the windows of a name.
fn idle(accounts: &[Account], known: &Known, now: Timestamp) -> bool {
    known.accounts.iter().all(|place| {
        let account = &accounts[*place as usize];
        let over = account.period.ends.is_some_and(|ends| ends <= now);
        account.open == 0 && !account.changed && (over || account.spent == Amounts::ZERO)
    })
}

/// Whether one refusal keeps a request away for longer than another.
fn ends_later(one: &Refusal, other: &Refusal) -> bool {
    if one.held_back() != other.held_back() {
        return other.held_back();
    }
    match (one.ends(), other.ends()) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(one), Some(other)) => one > other,
    }
}
