//! The decision core: hosts, addresses, paths and rules.

use proptest::prelude::*;

use super::*;

fn target(text: &str) -> Target {
    Target::read(text).unwrap()
}

fn pattern(text: &str) -> PathPattern {
    text.parse().unwrap()
}

#[test]
fn a_host_has_one_spelling() {
    let rows = [
        ("API.Example.com", "api.example.com"),
        ("localhost", "localhost"),
        ("my_host.example", "my_host.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
    ];
    for (text, one) in rows {
        assert_eq!(Host::read(text).unwrap().to_string(), one);
    }
    let long = format!("{}.com", "a".repeat(64));
    let bad = [
        "",
        ".",
        "a.",
        "a..b",
        ".a",
        "-a.b",
        "a-.b",
        "a b",
        "a/b",
        "a@b",
        "a%2eb",
        "m\u{fc}nchen.de",
        "2130706433",
        "127.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "0177.0.0.1",
        "1.2.3.4.5",
        "256.1.1.1",
        "a.0x1",
        "::1",
        "[::1",
        "[127.0.0.1]",
        "[fe80::1%25lo]",
        long.as_str(),
        "a\0b",
    ];
    for text in bad {
        assert_eq!(Host::read(text), None, "{text:?}");
    }
    for text in ["a:0", "a:", "a:65536", "a:+80", "a:8o", "u@a:80", "a:80:80"] {
        assert_eq!(Authority::read(text), None, "{text:?}");
    }
    assert_eq!(Authority::read("[::1]:8080").unwrap().port, Some(8080));
    assert_eq!(Authority::read("[::1]").unwrap().port, None);
}

#[test]
fn a_star_is_one_part_of_a_name() {
    let covers = |pattern: &str, host: &str| pattern.parse::<HostPattern>().unwrap().covers(&Host::read(host).unwrap());
    assert!(covers("*.example.com", "a.example.com") && covers("*.example.com", "B.Example.Com"));
    assert!(!covers("*.example.com", "example.com"));
    assert!(!covers("*.example.com", "a.b.example.com"));
    assert!(!covers("*.example.com", "evilexample.com"));
    assert!(!covers("*.example.com", "a.example.com.evil.net"));
    assert!(covers("a.example.com", "a.example.com") && !covers("a.example.com", "b.example.com"));
    for wrong in
        ["*", "*.com", "*.*.com", "a.*.com", "*a.example.com", "*.127.0.0.1", "*.[::1]", "a b", "http://a.example"]
    {
        assert!(wrong.parse::<HostPattern>().is_err(), "{wrong}");
    }
    let both = |one: &str, two: &str| one.parse::<HostPattern>().unwrap().meets(&two.parse().unwrap());
    assert!(both("*.example.com", "a.example.com") && both("a.example.com", "*.example.com"));
    assert!(!both("*.example.com", "*.example.org"));
}

/// Addresses of every kind that is not public.
const INNER: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.0.1",
    "169.254.1.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "100.100.100.200",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "4000::1",
    "8000::1",
];

/// Public ones, most of them beside the others.
const OPEN: &[&str] = &[
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "128.0.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "193.0.0.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450::1",
    "2003::1",
];

#[test]
fn only_public_addresses_are_open_unless_a_rule_names_others() {
    for text in INNER {
        assert!(not_public(text.parse().unwrap()).is_some(), "{text}");
    }
    for text in OPEN {
        assert_eq!(not_public(text.parse().unwrap()), None, "{text}");
    }
    let cidr = |text: &str| text.parse::<Cidr>();
    assert!(cidr("10.0.0.0/8").unwrap().contains("10.9.8.7".parse().unwrap()));
    assert!(!cidr("10.0.0.0/8").unwrap().contains("::ffff:10.9.8.7".parse().unwrap()), "another family");
    assert!(cidr("0.0.0.0/0").unwrap().contains("200.1.2.3".parse().unwrap()));
    assert!(cidr("::/0").unwrap().contains("fe80::1".parse().unwrap()));
    assert!(!cidr("10.1.2.3/32").unwrap().contains("10.1.2.2".parse().unwrap()));
    for wrong in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "::/129", "a/8", "10.0.0.0/-1", "10.0.0.0/+8", "/8", ""] {
        assert!(cidr(wrong).is_err(), "{wrong}");
    }
}

/// Paths that some server reads as one outside of `/public/`.
const ELSEWHERE: &[&str] = &[
    "/",
    "/public",
    "/publicity",
    "/admin",
    "/PUBLIC/a",
    "/public/../admin",
    "/public/%2e%2e/admin",
    "/public/.%2E/admin",
    "/public/%252e%252e/admin",
    "/public/%25252e%25252e/admin",
    "/public/..%2fadmin",
    "/public/..%5cadmin",
    "/public/%5c..%5c..%5cadmin",
    "/public/..;/admin",
    "/public/..;x=y/admin",
    "/public/%2e%2e;/admin",
    "/public/..%3b/admin",
    "/public/%2e%2e%2fadmin",
    "/public%2f..%2fadmin",
    "/public/a/..%2f..%2f..%2fadmin",
    "/..;/public/../admin",
    "/%70ublic/%2E%2E/x",
    "/public/;%2f%2e%2e",
    "/public/;x%2f..%2f..",
    "/public/..%2f/public/a",
    "/public/%252e.%2fpublic%5c",
];

/// Paths that have no reading that can be relied on.
const UNREADABLE: &[&str] = &[
    "",
    "public",
    "/a b",
    "/a\\b",
    "/a#b",
    "/a%",
    "/a%2",
    "/a%zz",
    "/a%00",
    "/a%0d%0aX",
    "/a%7f",
    "/a%ff",
    "/%c0%ae%c0%ae/",
    "/a%2500",
    "/caf\u{e9}",
    "/a?b#c",
    "/a?b c",
    "/a|b",
    "/a<b",
];

#[test]
fn a_path_passes_if_every_reading_of_it_does() {
    let public = pattern("/public/*");
    let good = [
        "/public/",
        "/public/a",
        "/public/a/../b?x=/../..",
        "//public//a",
        "/public/%61",
        "/./public/a",
        "/x/../public/a",
        "/public/a%20b",
        "/public/a;v=1/b",
        "/public/100%25",
    ];
    for text in good {
        assert!(public.covers(&target(text)), "{text}");
    }
    for text in ELSEWHERE {
        assert!(!public.covers(&target(text)), "{text}");
    }
    for text in UNREADABLE {
        assert!(Target::read(text).is_err(), "{text:?}");
    }
    assert!(Target::read(&format!("/{}", "a".repeat(9_000))).is_err());
    assert!(Target::read(&format!("/%{}2e", "25".repeat(80))).is_err(), "who encodes so often has something to hide");
}

#[test]
fn patterns_are_exact_or_end_in_a_star_or_have_one_for_a_part() {
    let covers = |one: &str, path: &str| pattern(one).covers(&target(path));
    assert!(covers("/a/b", "/a/b") && !covers("/a/b", "/a/b/") && !covers("/a/b", "/a/b/c") && !covers("/a/b", "/a"));
    assert!(covers("/a/b*", "/a/b") && covers("/a/b*", "/a/bc/d") && !covers("/a/b*", "/a/c"));
    assert!(covers("/*", "/") && covers("/*", "/a/b"));
    assert!(covers("/repos/*/issues", "/repos/x/issues") && !covers("/repos/*/issues", "/repos/x/y/issues"));
    assert!(!covers("/repos/*/issues", "/repos//issues") && !covers("/repos/*/issues", "/repos/x%2Fy/issues"));
    assert!(covers("/p/a%2Fb/*", "/p/a%2fb/c") && !covers("/p/a%2Fb/*", "/p/a/b/c"));
    assert!(covers("/a%20b", "/a%20b"));
    for wrong in ["a", "/a/../b", "/a//b", "/%61", "/a%2fb", "/a;b", "/a?b", "/a*b/c", "/**/a", "/a%2A", "/a%3Bb", ""] {
        assert!(wrong.parse::<PathPattern>().is_err(), "{wrong}");
    }
}

#[test]
fn the_reason_is_how_far_the_rules_went_along() {
    let rules = [rule(HOST, 443, Transport::Tls), rule("*.example.com", 8443, Transport::Tunnel)];
    let ask = |host: &str, port: u16, transport: Transport, request: Option<(Method, &str)>| Ask {
        host: Host::read(host).unwrap(),
        port,
        transport,
        request: request.map(|(method, path)| (method, target(path))),
    };
    let get = Some((Method::Get, "/v1/a"));
    assert_eq!(decide(&rules, &ask(HOST, 443, Transport::Tls, get)), Ok(&rules[0]));
    assert_eq!(decide(&rules, &ask("b.example.com", 8443, Transport::Tunnel, None)), Ok(&rules[1]));
    let rows = [
        (ask("example.com", 443, Transport::Tls, get), Reason::HostNotAllowed),
        (ask(HOST, 80, Transport::Tls, get), Reason::PortNotAllowed),
        (ask(HOST, 443, Transport::Plain, get), Reason::TransportNotAllowed),
        (ask(HOST, 443, Transport::Tunnel, None), Reason::TransportNotAllowed),
        (ask(HOST, 443, Transport::Tls, None), Reason::TransportNotAllowed),
        (ask(HOST, 443, Transport::Tls, Some((Method::Delete, "/v1/a"))), Reason::MethodNotAllowed),
        (ask(HOST, 443, Transport::Tls, Some((Method::Get, "/v2/a"))), Reason::PathNotAllowed),
    ];
    for (ask, reason) in rows {
        assert_eq!(decide(&rules, &ask).unwrap_err().reason, reason, "{ask:?}");
        assert_eq!(decide(&[], &ask).unwrap_err().reason, Reason::HostNotAllowed, "nothing is allowed by nobody");
    }
    let wrong = [
        Rule { methods: BTreeSet::new(), ..rule(HOST, 443, Transport::Tls) },
        Rule { methods: [Method::Get].into(), ..rule(HOST, 443, Transport::Tunnel) },
        Rule { paths: vec![pattern("/a")], ..rule(HOST, 443, Transport::Tunnel) },
        rule(HOST, 0, Transport::Tls),
    ];
    for rule in wrong {
        assert_eq!(Policy::new(vec![rule], Vec::new(), limits(), true).unwrap_err().class(), Class::Invalid);
    }
    let many = vec![rule(HOST, 443, Transport::Tls); 65];
    assert!(Policy::new(many, Vec::new(), limits(), true).is_err());
}

/// How servers read a path, as somebody else would write it.
fn servers(path: &str) -> Vec<String> {
    let resolve = |path: &str, merge: bool| {
        let mut parts: Vec<&str> = Vec::new();
        for part in path.split('/').skip(1) {
            match part {
                ".." => drop(parts.pop()),
                "." => {}
                "" if merge => {}
                other => parts.push(other),
            }
        }
        format!("/{}", parts.join("/"))
    };
    let once = |path: &str| {
        let (mut out, mut rest) = (String::new(), path);
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            let byte = rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
            match byte {
                Some(byte) => out.push(char::from(byte)),
                None => out.push_str(&rest[at..(at + 3).min(rest.len())]),
            }
            rest = &rest[(at + 3).min(rest.len())..];
        }
        out + rest
    };
    let bare = |path: &str| path.split('/').map(|part| part.split(';').next().unwrap()).collect::<Vec<_>>().join("/");
    let twice = once(&once(path));
    let texts = [
        path.to_owned(),
        once(path),
        twice.clone(),
        once(&twice),
        bare(path),
        bare(&once(path)),
        once(&bare(path)),
        bare(&twice),
    ];
    texts
        .iter()
        .flat_map(|text| [text.clone(), text.replace('\\', "/")])
        .flat_map(|text| [resolve(&text, true), resolve(&text, false)])
        .collect()
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("/"),
        Just("/"),
        Just("/"),
        Just(".."),
        Just("."),
        Just("%2e"),
        Just("%2E%2e"),
        Just("%252e"),
        Just("%2f"),
        Just("%252F"),
        Just("%5c"),
        Just(";"),
        Just("%3b"),
        Just("public"),
        Just("admin"),
        Just("a"),
        Just("%61"),
        Just("%25"),
        Just("2e"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_server_reads_another_place_than_was_allowed(pieces in proptest::collection::vec(piece(), 0..12)) {
        let text = format!("/public/{}", pieces.concat());
        let Ok(read) = Target::read(&text) else { return Ok(()) };
        if pattern("/public/*").covers(&read) {
            for reading in servers(read.path()) {
                prop_assert!(format!("{reading}/").starts_with("/public/"), "{text} is sent as {read} and read as {reading}");
            }
        }
    }

    #[test]
    fn what_is_sent_is_read_as_what_was_judged(pieces in proptest::collection::vec(piece(), 0..12)) {
        if let Ok(read) = Target::read(&format!("/{}", pieces.concat())) {
            prop_assert_eq!(Target::read(read.path()).unwrap(), read);
        }
    }

    #[test]
    fn a_rule_more_allows_more_and_nothing_beside_it(
        host in "[a-c]\\.example\\.(com|org)", port in 442u16..445, path in "/(v1|v2)/[ab]", extra in any::<bool>(),
    ) {
        let mut rules = vec![rule(HOST, 443, Transport::Tls)];
        let ask = Ask {
            transport: Transport::Tls,
            host: Host::read(&host).unwrap(),
            port,
            request: Some((Method::Get, target(&path))),
        };
        let before = decide(&rules, &ask).is_ok();
        if extra {
            rules.push(rule("b.example.org", 444, Transport::Tls));
        }
        let after = decide(&rules, &ask).is_ok();
        let meant = extra && host == "b.example.org" && port == 444 && path.starts_with("/v1/");
        prop_assert_eq!(after, before || meant);
    }
}
