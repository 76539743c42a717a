//! Tools and servers that mean no good.

use super::*;

#[tokio::test]
async fn a_name_that_changes_its_meaning_leads_only_where_it_was_judged() {
    let good = serve("127.0.0.1:0", &[], |_| ok("good")).await;
    let victim = serve(&format!("127.0.0.2:{}", good.port()), &[], |_| ok("victim")).await;
    let place = format!("{HOST}:{}", good.port());
    let target = format!("http://{place}/v1/a");
    let open = |names: &Arc<Names>| {
        let bench = Bench::new(good.network(Arc::clone(names)));
        let passage = bench.open(policy(vec![rule(HOST, good.port(), Transport::Plain)], Vec::new()));
        (bench, passage)
    };
    // Good when it is judged, another when somebody asks again: nobody does.
    let names = Names::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let (_bench, passage) = open(&names);
    assert_eq!(get(&passage, &target, &place).await.body, b"good");
    assert_eq!(names.asked.load(Ordering::SeqCst), 1, "EG2");
    assert_eq!(get(&passage, &target, &place).await.refused(), "address_not_allowed");
    // Among several only those that may be are tried, the first of them first.
    let names = Names::new(&[&["127.0.0.2", "169.254.169.254", "::1", "127.0.0.1"]]);
    let (_bench, passage) = open(&names);
    assert_eq!(get(&passage, &target, &place).await.body, b"good");
    let report = passage.close().await;
    assert_eq!(report.exchanges[0].address, "127.0.0.1".parse().ok());
    assert!(victim.seen().is_empty(), "EG2");
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_under_every_name() {
    let world = Imagined::new();
    let secret = |_: &Seen| ok("credentials");
    let inner = ["169.254.169.254", "127.0.0.1", "10.0.0.7", "168.63.129.16", "::ffff:10.0.0.7", "fd00:ec2::254"];
    for address in inner {
        world.serve(SocketAddr::new(address.parse().unwrap(), 443), secret);
    }
    let bench = Bench::new(Arc::new(world.clone()));
    for address in inner {
        world.name(HOST, &[address.parse().unwrap()]);
        let bare = Rule { networks: Vec::new(), ..rule(HOST, 443, Transport::Tls) };
        let passage = bench.open(policy(vec![bare], Vec::new()));
        let answer = get(&passage, "/v1/a", HOST).await;
        assert_eq!(answer.refused(), "address_not_allowed", "{address}");
    }
    // By its own address, where a rule names that as a host.
    let literal = Rule { networks: Vec::new(), ..rule("169.254.169.254", 443, Transport::Tls) };
    let passage = bench.open(policy(vec![literal], Vec::new()));
    assert_eq!(get(&passage, "/v1/a", "169.254.169.254").await.refused(), "address_not_allowed");
    for odd in ["2852039166", "0xa9fea9fe", "169.254.43518", "0251.254.169.254", "[::ffff:169.254.169.254]"] {
        let answer = get(&passage, "/v1/a", odd).await;
        assert!(["malformed", "host_not_allowed"].contains(&answer.refused()), "{odd}: {}", answer.refused());
    }
    assert!(world.seen().is_empty());
    // A rule that names the very address opens it; a wider one does not open a metadata service.
    let named = |network: &str| Rule { networks: vec![network.parse().unwrap()], ..rule(HOST, 443, Transport::Tls) };
    world.name(HOST, &["169.254.169.254".parse().unwrap()]);
    for (network, refused) in [("169.254.0.0/16", "address_not_allowed"), ("169.254.169.254/32", "")] {
        let passage = bench.open(policy(vec![named(network)], Vec::new()));
        assert_eq!(get(&passage, "/v1/a", HOST).await.refused(), refused, "{network}");
    }
}

#[tokio::test]
async fn answers_that_lie_about_their_length_or_their_form_are_cut_or_refused() {
    let respond = |head: &str| match head.split(' ').nth(1).unwrap_or_default() {
        "/v1/short" => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort".to_vec(),
        "/v1/cut-chunk" => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nshort".to_vec(),
        "/v1/no-end" => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n".to_vec(),
        "/v1/bad-chunk" => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nshort\r\n0\r\n\r\n".to_vec(),
        "/v1/both" => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        "/v1/twice" => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n12345".to_vec(),
        "/v1/switch" => b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n".to_vec(),
        "/v1/hints" => b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20),
        "/v1/words" => b"220 mail.example.com ESMTP\r\n\r\n".to_vec(),
        "/v1/head" => [b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; 20_000], b"\r\n\r\n".to_vec()].concat(),
        "/v1/flood" => [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 400 << 10]].concat(),
        "/v1/nothing" => Vec::new(),
        _ => ok("fine"),
    };
    let server = serve("127.0.0.1:0", &[], respond).await;
    let bench = Bench::new(server.network(Names::here()));
    let passage = bench.open(policy(vec![rule(HOST, server.port(), Transport::Plain)], Vec::new()));
    let place = format!("{HOST}:{}", server.port());
    let rows = [
        ("/v1/short", Reason::Cut, 200),
        ("/v1/cut-chunk", Reason::Cut, 200),
        ("/v1/no-end", Reason::Cut, 200),
        ("/v1/bad-chunk", Reason::AnswerMalformed, 200),
        ("/v1/both", Reason::AnswerMalformed, 502),
        ("/v1/twice", Reason::AnswerMalformed, 502),
        ("/v1/switch", Reason::AnswerMalformed, 502),
        ("/v1/hints", Reason::AnswerMalformed, 502),
        ("/v1/words", Reason::AnswerMalformed, 502),
        ("/v1/head", Reason::AnswerMalformed, 502),
        ("/v1/flood", Reason::ResponseTooLarge, 200),
        ("/v1/nothing", Reason::Cut, 502),
    ];
    for (path, _, status) in rows {
        let answer = get(&passage, &format!("http://{place}{path}"), &place).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(status != 200 || !answer.whole, "{path}: a tool sees that it is not all");
        assert!(answer.body.len() <= 256 << 10);
    }
    assert_eq!(get(&passage, &format!("http://{place}/v1/fine"), &place).await.body, b"fine");
    let report = passage.close().await;
    let reasons: Vec<Reason> = report.refusals().map(|(_, refusal)| refusal.reason).collect();
    assert_eq!(reasons, rows.map(|(_, reason, _)| reason));
}

#[tokio::test]
async fn an_invocation_has_so_many_connections_requests_bytes_and_records() {
    let world = Imagined::new();
    world.name(HOST, &["127.0.0.1".parse().unwrap()]);
    world.serve("127.0.0.1:443".parse().unwrap(), |_| ok(&"x".repeat(1000)));
    let bench = Bench::new(Arc::new(world.clone()));
    let open = |change: &dyn Fn(&mut Limits)| {
        let mut limits = limits();
        change(&mut limits);
        bench.open(Policy::new(vec![rule(HOST, 443, Transport::Tls)], Vec::new(), limits, false).unwrap())
    };
    let passage = open(&|limits| (limits.requests_max, limits.records_max) = (3, 2));
    for _ in 0..3 {
        assert_eq!(get(&passage, "/v1/a?b", HOST).await.status, 200);
    }
    assert_eq!(get(&passage, "/v1/a", HOST).await.refused(), "too_many_requests");
    let report = passage.close().await;
    assert_eq!((report.exchanges.len(), report.omitted, report.requests), (2, 2, 4), "EG6");
    assert_eq!(report.exchanges[0].path.as_deref(), Some("/v1/a?b"), "the query is not hidden here");

    let passage = open(&|limits| limits.received_bytes_max = 2_500);
    assert_eq!(get(&passage, "/v1/a", HOST).await.status, 200);
    assert_eq!(get(&passage, "/v1/a", HOST).await.status, 200);
    assert!(!get(&passage, "/v1/a", HOST).await.whole);
    assert_eq!(passage.close().await.exchanges[2].refusal.as_ref().unwrap().reason, Reason::TotalTooLarge);

    let passage = open(&|limits| limits.connections_max = 2);
    let held =
        [UnixStream::connect(passage.socket()).await.unwrap(), UnixStream::connect(passage.socket()).await.unwrap()];
    assert_eq!(get(&passage, "/v1/a", HOST).await.refused(), "too_many_connections");
    drop(held);
    let long = format!("GET /v1/a HTTP/1.1\r\nhost: {HOST}\r\nx: {}\r\n\r\n", "x".repeat(9_000));
    let many = format!("GET /v1/a HTTP/1.1\r\nhost: {HOST}\r\n{}\r\n", "x: y\r\n".repeat(33));
    let passage = open(&|_| ());
    for request in [long, many] {
        let answer = ask(&passage, &request).await;
        assert_eq!((answer.refused(), answer.status), ("head_too_large", 431));
    }
    let body = "y".repeat(70_000);
    let chunked = format!(
        "POST /v1/a HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert_eq!(ask(&passage, &chunked).await.refused(), "request_too_large");
}

#[tokio::test]
async fn the_proxy_ends_with_its_invocation() {
    let world = Imagined::new();
    world.name(HOST, &["127.0.0.1".parse().unwrap()]);
    let bench = Bench::new(Arc::new(Silent(world)));
    let rules = || policy(vec![rule(HOST, 443, Transport::Tls)], Vec::new());
    let waits = async |socket: std::path::PathBuf| {
        raw(&socket, format!("GET /v1/a HTTP/1.1\r\nhost: {HOST}\r\n\r\n").as_bytes()).await
    };
    // By its deadline, and by its cancellation: nobody closes it.
    let brief = cx().with_deadline(Instant::now() + Duration::from_millis(200));
    let cancelled = cx().child();
    for (cx, why) in [(brief, Ended::Deadline), (cancelled, Ended::Cancelled)] {
        let passage = bench.proxy.open(&cx, rules()).unwrap();
        let waiting = tokio::spawn(waits(passage.socket().to_owned()));
        while passage.report().requests == 0 {
            tokio::task::yield_now().await;
        }
        if why == Ended::Cancelled {
            cx.cancel();
        }
        assert_eq!(waiting.await.unwrap(), b"", "it was cut off");
        let report = passage.close().await;
        assert_eq!((report.ended, report.exchanges.len()), (Some(why), 1));
        assert_eq!(report.exchanges[0].refusal.as_ref().unwrap().reason, Reason::Ended, "EG5");
        assert!(bench.is_empty());
        assert_eq!(bench.proxy.open(&cx, rules()).unwrap_err().class(), Class::Timeout);
    }
    // By being forgotten.
    let passage = bench.open(rules());
    let socket = passage.socket().to_owned();
    drop(passage);
    while socket.exists() {
        tokio::task::yield_now().await;
    }
    assert!(UnixStream::connect(&socket).await.is_err());
    let deep = tempfile::tempdir().unwrap();
    let folder = deep.path().join("x".repeat(100));
    std::fs::create_dir(&folder).unwrap();
    let proxy = Proxy::new(&folder, Arc::new(Imagined::new()), Arc::new(Real));
    assert_eq!(proxy.open(&cx(), rules()).unwrap_err().class(), Class::Unavailable, "the path is too long");
}
