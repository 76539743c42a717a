//! Which tiers of sandboxes can be used on this machine, as the host and `syzygy doctor` find by trying.

use std::path::Path;
use std::sync::Arc;

use crate::cli::{Check, Verdict};
use crate::config::Config;

fn check(tier: &str, verdict: Verdict, detail: String) -> Check {
    Check { name: format!("sandbox {tier}"), verdict, detail }
}

async fn wasm(config: &Config, data: &Path) -> Check {
    use crate::sandbox::Sandbox;
    use crate::sandbox::wasm::{Held, Wasm};

    let config = super::tools::components(config, data);
    match Wasm::open(config, Arc::new(Held::default()), super::real_world().clock).await {
        Ok(wasm) => check("wasm", Verdict::Good, wasm.capabilities().notes.join("; ")),
        Err(unusable) => check("wasm", Verdict::Lacking, unusable.reason),
    }
}

/// A host that runs has containers of its own, so nothing is swept here.
#[cfg(target_os = "linux")]
async fn docker(config: &Config, data: &Path) -> Check {
    use crate::sandbox::Sandbox;
    use crate::sandbox::docker::Docker;

    let world = super::real_world();
    match Docker::open(super::tools::containers(config, data, &world), world.clock).await {
        Ok(docker) => check("docker", Verdict::Good, docker.capabilities().notes.join("; ")),
        Err(unusable) => check("docker", Verdict::Lacking, unusable.reason),
    }
}

/// One line a tier. That a tier is not there is no fault of the host: tools that need it are refused.
#[cfg(target_os = "linux")]
pub(super) async fn checks(config: &Config, data: &Path) -> Vec<Check> {
    use crate::sandbox::Sandbox;
    use crate::sandbox::jail::{self, Jail, OWN_PROGRAM};

    let native = check("native", Verdict::Good, "functions of the host itself; nothing stands between".to_owned());
    let wasm = wasm(config, data).await;
    let docker = docker(config, data).await;
    let config = jail::Config {
        program: OWN_PROGRAM.into(),
        private: vec![data.to_owned()],
        jails: config.sandbox.jail.clone(),
    };
    let jail = match Jail::open(config, super::real_world().clock).await {
        Ok(jail) => check("jail", Verdict::Good, jail.capabilities().notes.join("; ")),
        Err(unusable) => check("jail", Verdict::Lacking, unusable.reasons.join("; ")),
    };
    vec![native, jail, docker, wasm]
}

/// One line a tier.
#[cfg(not(target_os = "linux"))]
pub(super) async fn checks(config: &Config, data: &Path) -> Vec<Check> {
    let native = check("native", Verdict::Good, "functions of the host itself; nothing stands between".to_owned());
    let jail = check("jail", Verdict::Lacking, "jails are made of what only Linux has".to_owned());
    let docker = check("docker", Verdict::Lacking, "containers are made of what only Linux has".to_owned());
    vec![native, jail, docker, wasm(config, data).await]
}
