//! Policies at the executor: what they refuse, what they hide, what is not published under them, and what is on record. And
//! grants: nothing of the host is given to a call without one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::*;
use super::calls::effect;
use super::people::Desk;
use super::publishing::package;
use crate::actors::executor;
use crate::actors::tests::{SECOND, cx, journal, read, soon, start, stop, world};
use crate::lap::policy::{Book, Source, builtin};
use crate::lap::{Caller, Denial, Rules};
use crate::sandbox::{Puppet, Script, Tier};
use crate::secrets::{self, Secrets};
use crate::store::{Disk, Event, Journal, Memory};
use crate::supervision::Root;
use crate::types::{Class, Cx, Principal, World};
use crate::ziggy::review::Opinion;

/// Keys are nobody's to read, long texts are for librarians, and interns do not even see the tool.
const OPERATOR: &str = r#"
@id("no-keys") @because("nobody reads keys through a tool") @remedy("ask for the key in the vault")
forbid (principal, action == Action::"invoke", resource == Tool::"text.count")
when { context.args.text like "*.key" };

@id("short-texts") @because("long texts are for librarians")
forbid (principal, action == Action::"invoke", resource == Tool::"text.count")
when { context.args.text like "long*" }
unless { principal in Role::"librarian" };

@id("not-for-interns") @because("interns count by hand")
forbid (principal, action == Action::"invoke", resource == Tool::"text.count")
when { principal in Role::"intern" };
"#;

fn book(own: &[&str], text: &str) -> Book {
    let mut sources: Vec<Source> = builtin().into_iter().filter(|source| own.contains(&source.name.as_str())).collect();
    sources.push(Source { name: "operator.cedar".to_owned(), text: text.to_owned() });
    Book::read(&sources).unwrap_or_else(|problems| panic!("{problems:?}"))
}

struct Stage {
    world: World,
    handle: Handle,
    journal: Arc<Memory>,
    jail: Arc<Puppet>,
    docker: Arc<Puppet>,
    troubles: Vec<String>,
    _folder: tempfile::TempDir,
    root: Root,
}

/// What a stage is made of, besides policies.
#[derive(Default)]
struct Given {
    disk: Disk,
    rules: Rules,
    secrets: Option<Arc<dyn Secrets>>,
    grants: bool,
    people: Option<Arc<dyn People>>,
}

async fn stage(book: Book, given: Given) -> Stage {
    let (world, folder) = (world(), tempfile::tempdir().unwrap());
    let journal = journal(&given.disk, &world, vec![Arc::new(EffectsProjection), Arc::new(ToolsProjection)]);
    let library = Arc::new(Library::under(book, core_tools(Arc::clone(&world.clock))).unwrap());
    let script = Script::default().prints(json!({ "type": "result", "value": { "n": 7 } }).to_string());
    let mut jail = Puppet::new(Tier::Jail, Arc::clone(&world.clock));
    for version in ["1.0.0", "1.0.1", "2.0.0"] {
        jail = jail.with(&format!("text.count@{version}"), script.clone());
    }
    let jail = Arc::new(jail);
    let docker = Arc::new(Puppet::new(Tier::Docker, Arc::clone(&world.clock)).with("text.count@1.0.0", script.clone()));
    let mut ports = Ports::bare(journal.clone());
    ports.tiers = BTreeMap::from([(Tier::Jail, jail.clone() as Arc<_>), (Tier::Docker, docker.clone() as Arc<_>)]);
    ports.shelf = Some(folder.path().to_owned());
    ports.folder = Some(folder.path().to_owned());
    ports.rules = Arc::new(given.rules);
    ports.secrets = given.secrets;
    ports.people = given.people;
    ports.grants = given.grants.then(super::issuer);
    let troubles = shelve(&library, &*journal, ports.shelf.as_deref()).await.unwrap();
    let config = read(json!({
        "concurrency": 4, "waiting": 8, "call_within_s": 60, "result_bytes_max": 1_000, "cache_bytes_max": 0,
        "approval_s": 3_600, "approval_wait_s": 0,
    }));
    let (handle, child) = Handle::launch("tools", library, ports, config, &world);
    let (root, _) = start(vec![child], &world).await;
    Stage { world, handle, journal, jail, docker, troubles, _folder: folder, root }
}

fn granting(rows: &[(&str, &[&str])]) -> Rules {
    let owned = |all: &&[&str]| all.iter().map(ToString::to_string).collect();
    let grants = rows.iter().map(|(name, all)| ((*name).to_owned(), owned(all))).collect();
    Rules { grants, ..Rules::default() }
}

impl Stage {
    fn cx(&self, who: &str) -> Cx {
        let cx = cx(&self.world, 30 * SECOND);
        Cx::new(cx.trace(), Principal::new(who, &[]), cx.deadline(), cx.budget())
    }

    async fn publish(&self, package: crate::lap::Package) -> Result<Publication, Error> {
        soon(self.handle.publish(&self.cx("operator"), package)).await
    }

    async fn call(&self, who: &str, text: &str) -> Result<Answer, Error> {
        let (tool, arguments) = ("text.count".to_owned(), json!({ "text": text }));
        let request = Request { tool, arguments, ..Request::default() };
        soon(self.handle.invoke(&self.cx(who), request)).await
    }

    fn listed(&self, who: &str) -> Vec<String> {
        let caller = Caller::of(&Principal::new(who, &[]));
        self.handle.list(&caller).iter().map(|entry| entry.ready.tool.id.to_string()).collect()
    }

    async fn events(&self, kind: &str) -> Vec<Event> {
        self.journal.flush().await.unwrap();
        let all = self.journal.read(1, 1_000).await.unwrap();
        all.into_iter().filter(|event| event.kind == kind).collect()
    }
}

fn reasons(error: Error) -> String {
    let Error::NotPublished { reasons, .. } = error else { panic!("{error}") };
    reasons.join("\n")
}

// LAP5 and EX7.
#[tokio::test(start_paused = true)]
async fn a_policy_refuses_a_call_for_its_arguments_and_is_named_with_its_clause_and_on_record() {
    let rules = granting(&[("principal:acme/librarian", &["role:librarian"])]);
    let stage = stage(book(&["admitted"], OPERATOR), Given { rules, ..Given::default() }).await;
    stage.publish(package("1.0.0", |_| {})).await.unwrap();
    let before = stage.jail.calls().len();
    assert_eq!(stage.call("acme/anna", "a b").await.unwrap().value, json!({ "n": 7 }));
    let refused = stage.call("acme/anna", "hunter2.key").await.unwrap_err();
    assert_eq!(refused.class(), Class::Denied);
    assert_eq!(
        refused.to_string(),
        "could not call text.count@1.0.0: refused by the policy no-keys (operator.cedar:2:1): nobody reads keys through a \
         tool [resource == Tool::\"text.count\" and context.args.text like \"*.key\"]; ask for the key in the vault; it would be \
         allowed with other arguments: not all of context.args.text like \"*.key\" [no-keys]"
    );
    // By what the caller is, and by the arguments: the one is refused, the other not.
    assert!(stage.call("acme/anna", "long story").await.unwrap_err().to_string().contains("short-texts"));
    assert!(stage.call("acme/librarian", "long story").await.is_ok());
    assert_eq!(stage.jail.calls().len() - before, 2, "what is refused is not run");
    let events = stage.events("tool.refused").await;
    assert_eq!(events.len(), 2);
    let first: Refused = events[0].body.parse().unwrap();
    assert_eq!((first.principal.as_str(), first.tenant.as_str()), ("acme/anna", "acme"));
    let explanation = first.explanation.unwrap();
    assert_eq!(explanation.determining[0].policy, "no-keys");
    assert!(explanation.determining[0].clauses.contains(&"context.args.text like \"*.key\"".to_owned()));
    assert!(!format!("{events:?}").contains("hunter2"), "no argument is on record");
}

// LAP4 and EX7.
#[tokio::test(start_paused = true)]
async fn what_a_rule_hides_is_in_no_list_no_description_and_no_error_and_is_not_called() {
    let hidden = r#"@id("sleepers") @because("they have no use for it")
        forbid (principal, action == Action::"list", resource == Tool::"time") when { principal.name == "acme/sleeper" };"#;
    let rules = granting(&[("principal:acme/intern", &["role:intern"])]);
    let policies = book(&["admitted"], &format!("{OPERATOR}{hidden}"));
    let stage = stage(policies, Given { rules, ..Given::default() }).await;
    stage.publish(package("1.0.0", |_| {})).await.unwrap();
    assert_eq!(stage.listed("acme/anna"), ["count", "sum", "text.count", "time"]);
    // A rule about calls hides what it leaves no call of; one about lists hides by itself.
    assert_eq!(stage.listed("acme/intern"), ["count", "sum", "time"]);
    assert_eq!(stage.listed("acme/sleeper"), ["count", "sum", "text.count"]);
    let intern = Caller::of(&Principal::new("acme/intern", &[]));
    let shown = |id: &str| stage.handle.find(&intern, id, None).err().map(|error| error.to_string());
    assert_eq!(shown("sum"), None);
    let hidden = "could not call \"text.count\": there is no such tool; there are count, sum, time";
    assert_eq!(shown("text.count").as_deref(), Some(hidden));
    let close = shown("text.coun").unwrap();
    assert!(!close.contains("text.count"), "{close}");
    let names = ["sum".to_owned(), "text.count".to_owned()];
    // An agent has the roles that were given to it, not those of whoever asks.
    let told = |agent: &str| stage.handle.specs(&stage.cx("acme/intern"), agent, &names).len();
    assert_eq!(told("marvin"), 2);
    let called = stage.call("acme/intern", "a").await.unwrap_err().to_string();
    assert!(called.contains("refused by the policy not-for-interns"), "{called}");
    let time = Request { tool: "time".to_owned(), arguments: json!({}), ..Request::default() };
    let called = soon(stage.handle.invoke(&stage.cx("acme/sleeper"), time)).await.unwrap_err();
    assert!(called.to_string().contains("refused by the policy sleepers (operator.cedar:"), "{called}");
    assert_eq!(called.class(), Class::Denied);
}

// LAP5.
#[tokio::test(start_paused = true)]
async fn no_policy_opens_what_the_hosts_own_rules_refuse_and_without_a_permit_nothing_is_called() {
    let everything = r#"@id("all") @because("a test") permit (principal, action == Action::"invoke", resource);"#;
    let open = stage(book(&[], everything), Given::default()).await;
    open.publish(package("1.0.0", |value| value["auth"] = json!({ "scopes": ["text.read"] }))).await.unwrap();
    let refused = open.call("acme/anna", "a").await.unwrap_err();
    assert!(matches!(&refused, Error::Denied { denial: Denial::Scopes { .. }, .. }), "{refused}");
    assert_eq!(open.events("tool.refused").await.len(), 1, "what the host's own rules refuse is on record too");
    assert!(!open.listed("acme/anna").contains(&"text.count".to_owned()));

    let rules = granting(&[("principal:acme/anna", &["text.*"])]);
    let text = r#"@id("readers") @because("who may read texts may count them")
        permit (principal, action == Action::"invoke", resource == Tool::"text.count") when { context.scopes.contains("text.read") };"#;
    let closed = stage(book(&[], text), Given { rules, ..Given::default() }).await;
    closed.publish(package("1.0.0", |value| value["auth"] = json!({ "scopes": ["text.read"] }))).await.unwrap();
    // A star that was granted covers the scope for policies as it does for the host.
    assert!(closed.call("acme/anna", "a").await.is_ok());
    assert_eq!(closed.listed("acme/anna"), ["text.count"]);
    let time = Request { tool: "time".to_owned(), arguments: json!({}), ..Request::default() };
    let refused = soon(closed.handle.invoke(&closed.cx("acme/anna"), time)).await.unwrap_err();
    assert!(refused.to_string().contains("no policy allows it"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_does_not_fit_a_tool_keeps_it_from_being_published_with_the_place() {
    let misspelled = OPERATOR.replace("context.args.text like \"*.key\"", "context.args.texd like \"*.key\"");
    let stage = stage(book(&["admitted"], &misspelled), Given::default()).await;
    let refused = reasons(stage.publish(package("1.0.0", |_| {})).await.unwrap_err());
    assert!(refused.starts_with("operator.cedar:4:8: policy no-keys: for tool text.count: "), "{refused}");
    assert!(refused.contains("texd") && refused.contains("text"), "{refused}");
    assert!(!stage.listed("acme/anna").contains(&"text.count".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_tools_own_policies_are_typed_like_others_and_only_forbid() {
    let stage = stage(book(&["admitted"], ""), Given::default()).await;
    let with = |rules: &str| {
        let rules = rules.to_owned();
        package("1.0.0", move |value| value["policy"] = json!({ "rules": rules }))
    };
    let rule = |effect: &str, scope: &str, condition: &str| {
        format!(
            "@id(\"small\") @because(\"it counts small texts\")\n{effect} (principal, action == Action::\"invoke\", resource{scope})\nwhen {{ {condition} }};"
        )
    };
    for (rules, says) in [
        (
            rule("forbid", "", "context.args.words > 5"),
            "policy.rules of text.count@1.0.0:3:8: policy text.count/small: ",
        ),
        (rule("forbid", "", "context.args.text > 5"), "String"),
        (rule("permit", "", "true"), "a tool's own policies forbid"),
        (rule("forbid", " == Tool::\"sum\"", "true"), "it is about another tool"),
        (rule("forbid", " in Tag::\"all\"", "true"), "it is about a tag"),
        (rule("forbid", "", "true").repeat(2), "its @id is taken"),
        ("forbid".to_owned(), "policy.rules of text.count@1.0.0:1:"),
    ] {
        let refused = reasons(stage.publish(with(&rules)).await.unwrap_err());
        assert!(refused.contains(says), "{rules}: {refused}");
    }
    stage.publish(with(&rule("forbid", "", "context.args.text like \"big*\""))).await.unwrap();
    assert!(stage.call("acme/anna", "small").await.is_ok());
    let refused = stage.call("acme/anna", "big one").await.unwrap_err().to_string();
    let said = "refused by the policy text.count/small (policy.rules of text.count@1.0.0:1:1): it counts small texts";
    assert!(refused.contains(said), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_published_tool_that_new_policies_do_not_fit_is_left_out_with_the_reason() {
    let disk = Disk::default();
    {
        let first = stage(book(&["admitted"], OPERATOR), Given { disk: disk.clone(), ..Given::default() }).await;
        first.publish(package("1.0.0", |_| {})).await.unwrap();
        first.journal.flush().await.unwrap();
        stop(&first.root, &first.world).await;
    }
    let changed = OPERATOR.replace("context.args.text like \"*.key\"", "context.args.text == 1");
    let next = stage(book(&["admitted"], &changed), Given { disk, ..Given::default() }).await;
    let [trouble] = next.troubles.as_slice() else { panic!("{:?}", next.troubles) };
    assert!(trouble.contains("is not called: operator.cedar:4:8: policy no-keys"), "{trouble}");
    assert_eq!(next.call("acme/anna", "a").await.unwrap_err().class(), Class::NotFound);
}

#[test]
fn a_function_of_the_host_that_a_policy_does_not_fit_keeps_the_host_from_starting() {
    let text = OPERATOR
        .replace("Tool::\"text.count\"", "Tool::\"count\"")
        .replace("context.args.text", "context.args.letters");
    let Err(error) = Library::under(book(&["admitted"], &text), core_tools(world().clock)) else { panic!("it fits") };
    assert!(error.to_string().contains("operator.cedar:4:8: policy no-keys: for tool count: "), "{error}");
}

// GR4.
#[tokio::test(start_paused = true)]
async fn a_secret_is_leased_only_under_a_grant_of_the_call() {
    let holding = |value: &mut Value| {
        value["secrets"] = json!([{ "path": "team/key", "deliver": { "file": { "name": "key" } } }]);
        value["isolation"] = json!("docker");
        value["run"] = json!({ "image": { "image": format!("tool@sha256:{}", "0".repeat(64)) } });
    };
    for grants in [false, true] {
        let place = Arc::new(secrets::Fake::new(world().clock));
        place.put("team/key", &[("value", "correct-horse-battery")]);
        let secrets: Option<Arc<dyn Secrets>> = Some(place.clone());
        let stage = stage(book(&["admitted"], ""), Given { secrets, grants, ..Given::default() }).await;
        let published = stage.publish(package("1.0.0", holding)).await;
        if !grants {
            // Its own tests are calls too.
            let refused = reasons(published.unwrap_err());
            assert!(refused.contains("this host issues no grants"), "{refused}");
            assert!(stage.docker.calls().is_empty() && place.out() == 0);
            continue;
        }
        published.unwrap();
        assert_eq!(stage.call("acme/anna", "a").await.unwrap().effects.secrets, ["team/key"]);
        let ended: EndedCall = stage.events("tool.invoked").await[0].body.parse().unwrap();
        assert!(ended.grant.is_some(), "the record says under which grant");
        assert_eq!(place.out(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_a_tool_is_called_as_the_hosts_own_rules_say() {
    let stage = stage(Book::of_nobody().unwrap(), Given::default()).await;
    stage.publish(package("1.0.0", |_| {})).await.unwrap();
    assert!(stage.call("acme/anna", "hunter2.key").await.is_ok());
    let entry = stage.handle.library().find("text.count", None).unwrap();
    assert!(entry.policies.is_none(), "nothing is asked where there is nothing to ask");
    assert_eq!(entry.stage, executor::Stage::Active);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_wants_a_person_to_agree_is_met_by_a_tool_that_asks_one() {
    let changing = |value: &mut Value, approval: &str| {
        effect(value);
        value["policy"] = json!({ "approval": approval });
        // Its tests are calls too, so there is only one that is no call.
        value["tests"] =
            json!({ "contract": [{ "name": "needs-a-text", "input": {}, "expect": { "error": "invalid" } }] });
    };
    // Whoever is let past the rule has still to be agreed to, and here is nobody who could.
    for (approval, said) in [("never", "effects-unattended"), ("always", "this host has nobody to ask")] {
        let stage = stage(book(&["admitted", "effects"], ""), Given::default()).await;
        stage.publish(package("1.0.0", |value| changing(value, approval))).await.unwrap();
        let refused = stage.call("acme/anna", "a").await.unwrap_err();
        assert_eq!(refused.class(), Class::Denied);
        assert!(refused.to_string().contains(said), "{refused}");
        assert!(stage.docker.calls().is_empty());
        assert_eq!(stage.events("tool.refused").await.len(), 1);
    }
}

/// A rule that nothing but a person's word opens.
const ASKING: &str = r#"
@id("mail-is-agreed-to") @because("somebody reads what leaves")
forbid (principal, action == Action::"invoke", resource == Tool::"text.count")
when { context.args.text like "mail*" }
unless { context.approved };

@id("never") @because("nobody ever")
forbid (principal, action == Action::"invoke", resource == Tool::"text.count")
when { context.args.text like "*secret" };
"#;

#[tokio::test(start_paused = true)]
async fn a_rule_that_gives_way_to_a_persons_word_puts_the_call_before_one() {
    let desk = Desk::new(&world());
    let given = Given { people: Some(desk.clone()), ..Given::default() };
    let stage = stage(book(&["admitted"], ASKING), given).await;
    stage.publish(package("1.0.0", |_| {})).await.unwrap();
    let tested = stage.jail.calls().len();
    stage.call("acme/anna", "a letter").await.unwrap();
    let waits = stage.call("acme/anna", "mail to all").await.unwrap_err();
    assert!(matches!(waits, Error::Waits { .. }), "{waits}");
    let asked = desk.items().pop().unwrap().reasons[0].words();
    assert!(asked.contains("acme/anna calls text.count@1.0.0") && asked.contains("mail-is-agreed-to"), "{asked}");
    // What a person's word does not open is not put before one.
    let refused = stage.call("acme/anna", "mail the secret").await.unwrap_err();
    assert!(refused.to_string().contains("never"), "{refused}");
    assert_eq!((desk.items().len(), stage.jail.calls().len()), (1, tested + 1));
    desk.says(Opinion::Approve, None);
    assert_eq!(stage.call("acme/anna", "mail to all").await.unwrap().value, json!({ "n": 7 }));
    assert!(matches!(stage.call("acme/anna", "mail to all").await, Err(Error::Waits { .. })));
}
