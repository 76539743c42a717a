//! Programs that mean harm, run in every tier that can run programs, by one table.
//!
//! Each says what it got, and what must be true afterwards is asked of the outcome and of the host: it ended in time,
//! nothing of it runs, nothing of the host was read, changed or reached. The same programs are run by [`bare::Bare`],
//! which holds nothing back, to see that they would succeed: a row that succeeds nowhere proves nothing.
//!
//! Every attack is bounded by itself, and asks for nothing that would harm a machine that lets it: a call that would be
//! fatal is made with arguments that the kernel refuses only after it has looked whether the caller may.

mod bare;
mod escapes;
mod kernel;
mod resources;
pub(super) mod scene;
mod talk;

use std::time::Duration;

use syzygy::sandbox::{Access, Call, Ended, Grant, Limits, Outcome, Resource, Sandbox, Spec};

use super::{MARK, clock, cx, jail, limits, loudly, marked, python, wrapped_jail};
use bare::Bare;
use scene::Scene;

/// What an attack's program begins with. `given` says where things are; `broke` tells what it got.
const PRELUDE: &str = r#"
import ctypes, errno, json, os, resource, signal, socket, sys, time
given = json.load(sys.stdin)
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_void_p(a) if isinstance(a, int) else a for a in arguments])
    return result if result != -1 else -ctypes.get_errno()
def broke(what):
    print(json.dumps({'type': 'result', 'value': what or None}), flush=True)
    sys.exit(0)
def tries(*works):
    got = []
    for work in works:
        try:
            got.append(work())
        except (OSError, ValueError, PermissionError) as error:
            pass
    broke([str(one) for one in got if one])
"#;

/// What must be true of the outcome, beside what must be true of the host.
enum Held {
    /// It ran to its end and got nothing.
    Empty,
    /// It was ended for one of these, or ran to its end and got nothing.
    EndedOr(&'static [Ended]),
    /// Something else.
    When(fn(&Outcome) -> bool),
}

/// One attack.
struct Attack {
    name: &'static str,
    /// Python, after the prelude.
    program: &'static str,
    held: Held,
    /// How its bounds differ from those that all have.
    bounds: fn(&mut Limits),
    /// Whether it may be tried where nothing holds it back, and succeeds there. What goes to other machines may not.
    bites: Bites,
}

#[derive(Clone, Copy, PartialEq)]
enum Bites {
    /// Whoever is the user.
    Everybody,
    /// For root only.
    Root,
    /// It is not tried: it would reach beyond this machine, or end the test.
    Untried,
}

const fn attack(name: &'static str, program: &'static str) -> Attack {
    Attack { name, program, held: Held::Empty, bounds: |_| (), bites: Bites::Everybody }
}

impl Attack {
    const fn held(mut self, held: Held) -> Attack {
        self.held = held;
        self
    }

    const fn bounds(mut self, bounds: fn(&mut Limits)) -> Attack {
        self.bounds = bounds;
        self
    }

    const fn bites(mut self, bites: Bites) -> Attack {
        self.bites = bites;
        self
    }

    /// By which the processes of one run are found.
    fn mark(&self, jailed: bool) -> String {
        format!("{}-{}-{}", self.name.replace(' ', "-"), if jailed { "jailed" } else { "bare" }, std::process::id())
    }

    fn spec(&self, scene: &Scene, jailed: bool) -> Spec {
        let mut spec = python(self.name, &format!("{PRELUDE}\n{}", self.program));
        spec.limits = Limits { wall: Duration::from_secs(20), memory: Some(96 << 20), ..limits() };
        (self.bounds)(&mut spec.limits);
        spec.environment.insert(MARK.to_owned(), self.mark(jailed));
        let grant = |name: &str, source, access| Grant { name: name.to_owned(), source, access, growth: None };
        spec.grants =
            vec![grant("tree", scene.tree(), Access::ReadOnly), grant("repo", scene.repo(), Access::ReadWrite)];
        spec
    }

    /// Why it succeeded, if it did.
    fn success(&self, outcome: &Outcome, scene: &Scene, jailed: bool) -> Option<String> {
        let empty = outcome.ended == Ended::Finished && outcome.answer == Ok(serde_json::Value::Null);
        let held = match &self.held {
            Held::Empty => empty,
            Held::EndedOr(ends) => empty || ends.contains(&outcome.ended),
            Held::When(held) => held(outcome),
        };
        if !held {
            let (ended, answer) = (outcome.ended, &outcome.answer);
            return Some(format!("{ended}: {answer:?} {:?} {}", outcome.lines.first(), outcome.stderr));
        }
        let left = marked(&self.mark(jailed));
        if !left.is_empty() {
            return Some(format!("these are left running: {left:?}"));
        }
        scene.harm()
    }
}

fn table() -> impl Iterator<Item = &'static Attack> {
    [resources::ATTACKS, escapes::ATTACKS, kernel::ATTACKS, talk::ATTACKS].into_iter().flatten()
}

/// Runs it once. In a jail the trees have other names.
async fn run(sandbox: &dyn Sandbox, attack: &Attack, scene: &Scene, jailed: bool) -> Option<String> {
    let spec = attack.spec(scene, jailed);
    let wall = spec.limits.wall;
    let cx = cx(wall * 2);
    let prepared = sandbox.prepare(&cx, spec).await.unwrap();
    let began = clock().now();
    let outcome = sandbox.invoke(&cx, &prepared, Call::new(attack.name, scene.given(jailed))).await;
    let took = clock().now() - began;
    let late = (took > wall + Duration::from_secs(2)).then(|| format!("it took {took:?}"));
    late.or_else(|| attack.success(&outcome, scene, jailed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_attack_succeeds_in_any_tier() {
    let jails = [jail().await, wrapped_jail().await].into_iter().flatten();
    let mut tiers: Vec<Box<dyn Sandbox>> = jails.map(|jail| Box::new(jail) as Box<dyn Sandbox>).collect();
    let containers = super::containers::tier("attacks").await;
    let _folder = containers.map(|own| {
        tiers.push(Box::new(own.docker));
        own.folder
    });
    for tier in &tiers {
        let mut succeeded = Vec::new();
        for attack in table() {
            let scene = Scene::new().await;
            if let Some(why) = run(&**tier, attack, &scene, true).await {
                succeeded.push(format!("{}: {why}", attack.name));
            }
        }
        assert!(succeeded.is_empty(), "in {:?}:\n{}", tier.capabilities(), succeeded.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_held_back_the_attacks_succeed() {
    let root = rustix::process::geteuid().is_root();
    let (mut tried, mut toothless) = (0, Vec::new());
    for attack in table() {
        let expected = match attack.bites {
            Bites::Everybody => true,
            Bites::Root => root,
            Bites::Untried => false,
        };
        if !expected {
            continue;
        }
        tried += 1;
        let scene = Scene::new().await;
        if run(&Bare::new(), attack, &scene, false).await.is_none() {
            toothless.push(attack.name);
        }
        bare::clean(&attack.mark(false));
    }
    loudly(&format!("{tried} attacks of {} were tried on a runner that holds nothing back", table().count()));
    assert!(tried >= 30, "{tried}");
    assert!(toothless.is_empty(), "these prove nothing, since they do not succeed anywhere: {toothless:?}");
}

/// Ends that stand for memory.
const MEMORY: &[Ended] = &[Ended::Limit(Resource::Memory)];
