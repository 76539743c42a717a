//! What a sandbox and a way out are told of a tool: its program, its files, its bounds, and whom it may reach.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Ready;
use crate::egress::{self, Cidr, HostPattern, PathPattern, Rule, Transport};
use crate::sandbox::{Access, Egress, Grant, Input, Limits, Program, Spec, Speech, Tier};
use crate::tds::tool::{FilePath, Isolation, Method, Run, SideEffects};
use crate::tds::{self, Tool};

/// A folder that was granted for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Where the host has it.
    pub source: PathBuf,
    /// What may be done to it.
    pub access: Access,
}

impl Workspace {
    /// Its name among the grants.
    const NAME: &'static str = "workspace";

    /// Where a tool in a sandbox finds it.
    pub fn inside() -> PathBuf {
        Path::new("/granted").join(Workspace::NAME)
    }
}

fn tier(isolation: Isolation) -> Tier {
    match isolation {
        Isolation::Native => Tier::Native,
        Isolation::Jail => Tier::Jail,
        Isolation::Docker => Tier::Docker,
        Isolation::Wasm => Tier::Wasm,
        Isolation::Gvisor => Tier::Gvisor,
        Isolation::Microvm => Tier::Microvm,
    }
}

/// The tiers in which a tool may be run, weakest first: none below what its description says, none below its risk, and
/// none that cannot run its kind (LAP1).
pub fn tiers(tool: &Tool) -> Vec<Tier> {
    let least = tool.isolation.max(tds::assess(tool).least);
    let may = |isolation: &Isolation| *isolation >= least && tool.run.fits(*isolation);
    Isolation::ALL.into_iter().filter(may).map(tier).collect()
}

/// The way out of a tool as the proxy's rules; none if it may go nowhere. `networks` are addresses that are not public and
/// that the operator lets tools reach all the same.
///
/// # Errors
/// Which rule the proxy could not keep.
pub fn rules(tool: &Tool, networks: &[Cidr]) -> Result<Vec<Rule>, egress::Error> {
    let rule = |own: &crate::tds::tool::Egress| {
        let paths = own.paths.iter().map(|path| path.as_str().parse::<PathPattern>());
        Ok(Rule {
            host: own.host.as_str().parse::<HostPattern>()?,
            port: own.port,
            transport: if own.tls { Transport::Tls } else { Transport::Plain },
            methods: own.methods.iter().map(|method| verb(*method)).collect(),
            paths: paths.collect::<Result<_, _>>()?,
            request_bytes: own.request_bytes,
            response_bytes: own.response_bytes,
            networks: networks.to_vec(),
        })
    };
    tool.egress.iter().map(rule).collect()
}

fn verb(method: Method) -> egress::Method {
    match method {
        Method::Get => egress::Method::Get,
        Method::Head => egress::Method::Head,
        Method::Options => egress::Method::Options,
        Method::Post => egress::Method::Post,
        Method::Put => egress::Method::Put,
        Method::Patch => egress::Method::Patch,
        Method::Delete => egress::Method::Delete,
    }
}

/// What a tier is told of a call. `secrets` are files with a secret in them, which the tool reads and which end with the
/// call; `socket` is the proxy's.
///
/// # Errors
/// The file that the description names and that is not there.
pub fn spec(
    ready: &Ready,
    workspace: Option<&Workspace>,
    secrets: Vec<Input>,
    socket: Option<&Path>,
) -> Result<Spec, String> {
    let tool = &ready.tool;
    let (program, environment) = program(ready)?;
    let grants = workspace.map(|own| Grant {
        name: Workspace::NAME.to_owned(),
        source: own.source.clone(),
        // A tool that says it changes nothing is held to it.
        access: if tool.side_effects == SideEffects::None { Access::ReadOnly } else { own.access },
        growth: None,
    });
    let inputs = inputs(ready)?.into_iter().chain(secrets).collect();
    Ok(Spec {
        tool: ready.label(),
        // A program finds its files where it starts, as its author did.
        directory: matches!(program, Program::Command(_)).then(|| "/inputs".to_owned()),
        limits: limits(tool, &program),
        program,
        speech: Speech::Lines,
        inputs,
        grants: grants.into_iter().collect(),
        egress: socket.map_or(Egress::None, |path| Egress::Socket(path.to_owned())),
        environment,
    })
}

fn program(ready: &Ready) -> Result<(Program, BTreeMap<String, String>), String> {
    let words = |env: &BTreeMap<tds::tool::Name, String>| {
        env.iter().map(|(name, value)| (name.to_string(), value.clone())).collect::<BTreeMap<_, _>>()
    };
    Ok(match &ready.tool.run {
        Run::Program(own) => (Program::Command(own.argv.clone()), words(&own.env)),
        Run::Image(own) => {
            let image = Program::Image { reference: own.image.to_string(), command: own.argv.clone() };
            (image, words(&own.env))
        }
        Run::Component(own) => (Program::Component(file(ready, &own.file)?.hash), BTreeMap::new()),
        Run::Native(own) => (Program::Native(own.function.to_string()), BTreeMap::new()),
    })
}

fn file<'r>(ready: &'r Ready, path: &FilePath) -> Result<&'r super::File, String> {
    let found = ready.files.iter().find(|file| file.path == path.as_str());
    found.ok_or_else(|| format!("the file {path} of {} is not there", ready.label()))
}

/// The files a tool is run with. What proves it (recorded calls) is not among them.
fn inputs(ready: &Ready) -> Result<Vec<Input>, String> {
    let input = |(_, path): (String, &FilePath)| {
        let own = file(ready, path)?;
        let (name, source) = (own.path.clone(), own.source.clone());
        Ok(Input { name, hash: own.hash, source, executable: own.executable })
    };
    ready.tool.run.files().into_iter().map(input).collect()
}

/// A function of the host is bounded in what can be bounded there; everything else in all that TDS names.
fn limits(tool: &Tool, program: &Program) -> Limits {
    let own = &tool.limits;
    let wall = Duration::from_millis(own.timeout_ms);
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let talking =
        Limits { wall, stdin: own.input_bytes, stderr: own.log_bytes, ..Limits::talking(wall, own.output_bytes) };
    if matches!(program, Program::Native(_)) {
        return talking;
    }
    Limits {
        cpu: Some(Duration::from_millis(own.cpu_ms)),
        memory: Some(own.memory_bytes),
        processes: Some(narrow(own.processes)),
        disk: Some(own.disk_bytes),
        open_files: Some(narrow(own.open_files)),
        ..talking
    }
}
