//! What an executor performs calls with: tiers, the way out, the place of secrets, the journal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::people::People;
use crate::egress::{self, Cidr, Proxy};
use crate::inference::Embedder;
use crate::lap::grant::Issuer;
use crate::lap::{Fuzz, Rules};
use crate::sandbox::{Sandbox, Tier};
use crate::secrets::Secrets;
use crate::store::Journal;
use crate::types::Cx;

/// Everything outside that a call may need.
#[derive(Clone)]
pub struct Ports {
    /// The tiers that can be used on this machine.
    pub tiers: BTreeMap<Tier, Arc<dyn Sandbox>>,
    /// Why the others cannot.
    pub unusable: BTreeMap<Tier, String>,
    /// The way out, and its limits; none if nothing may go out.
    pub way_out: Option<WayOut>,
    /// How much tools are tried before they are published with inputs nobody wrote; a host of functions publishes none.
    pub fuzz: Fuzz,
    /// Where secrets are; none if there are none.
    pub secrets: Option<Arc<dyn Secrets>>,
    /// Who issues and checks the grants of calls that need secrets or a way out; without one they are refused.
    pub grants: Option<Arc<Issuer>>,
    /// Who was granted what, and where this host is.
    pub rules: Arc<Rules>,
    /// Who is told of a tool that is not as good as it has to be; nobody if there is no governor.
    pub alarm: Option<Alarm>,
    /// What turns what tools are for into vectors; nobody finds tools by likeness if there is none.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Who is asked whether a call may be made, and what became of one; nobody if there is no inbox.
    pub people: Option<Arc<dyn People>>,
    /// Where effects are recorded.
    pub journal: Arc<dyn Journal>,
    /// Where files of published tools are run from. None for a host without a directory.
    pub shelf: Option<PathBuf>,
    /// Where files of a call may lie that end with it; only the host enters it. None for a host without a directory.
    pub folder: Option<PathBuf>,
}

/// Tells people of something about a subject: under whose context, of what, and what there is to say.
pub type Alarm = Arc<dyn Fn(Cx, String, String) -> BoxFuture<'static, ()> + Send + Sync>;

/// The way out of sandboxes.
#[derive(Clone)]
pub struct WayOut {
    /// Who makes one for a call.
    pub proxy: Arc<Proxy>,
    /// What bounds it.
    pub limits: egress::Limits,
    /// Addresses that are not public and may be reached all the same.
    pub networks: Vec<Cidr>,
    /// Whether records have paths without what stands behind `?`.
    pub hide_queries: bool,
}

impl Ports {
    /// Functions of the host that may wait, and nothing else.
    pub fn bare(journal: Arc<dyn Journal>) -> Ports {
        let (tiers, unusable) = (BTreeMap::new(), BTreeMap::new());
        Ports {
            tiers,
            unusable,
            way_out: None,
            fuzz: Fuzz::default(),
            secrets: None,
            grants: None,
            rules: Arc::default(),
            alarm: None,
            embedder: None,
            people: None,
            journal,
            shelf: None,
            folder: None,
        }
    }
}
