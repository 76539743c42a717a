//! How the keeper is put into the tree. Nobody asks it anything, so it has no handle.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::actor::{Archives, Shell};
use crate::store::Journal;
use crate::supervision::{Address, Child, Mailbox, Overflow, Shutdown};
use crate::types::World;

/// Time to write what is queued and to close; a disk that needs longer has other trouble.
const CLOSE_WITHIN: Duration = Duration::from_secs(15);

/// The keeper as a row of the tree. Nothing leaves the journal without `archives`.
pub fn launch(journal: Arc<dyn Journal>, archives: Option<Archives>, world: &World) -> Child {
    let address = Address::new(Mailbox::new(1, Overflow::Refuse), world);
    let (own, damage) = (world.clone(), Arc::new(OnceLock::new()));
    let make = move || Shell::new(Arc::clone(&journal), archives.clone(), own.clone(), Arc::clone(&damage));
    Child::actor("store", &address, make).shutdown(Shutdown::After(CLOSE_WITHIN))
}
