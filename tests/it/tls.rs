//! The real program over TLS: found by its data directory, by its address and an authority, with a certificate of one's own.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use syzygy::types::Class;

use crate::program::{Running, checked, code, configure, good, home, run};

#[tokio::test]
async fn the_command_line_speaks_tls_and_shows_its_certificate() {
    let data = home();
    let data = data.path();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let at = |name: &str| data.join(name);
    let issue = |name: &str| -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let chain = params.signed_by(&key, &authority).unwrap().pem() + &authority.pem();
        let (certificate, secret) = (at(&format!("{name}.pem")), at(&format!("{name}.key")));
        std::fs::write(&certificate, chain).unwrap();
        std::fs::write(&secret, key.serialize_pem()).unwrap();
        (certificate, secret)
    };
    std::fs::write(at("ca.pem"), authority.pem()).unwrap();
    let ((certificate, key), (own, own_key)) = (issue("localhost"), issue("operator"));
    let text = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let runtime = "[inference.runtimes.local]\nkind = \"scripted\"\nanswer = \"Forty-two.\"\ntier = \"local\"\n";
    let tls = format!("[api.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
    configure(data, &format!("{runtime}{tls}"));
    let host = Running::start(data).await;
    assert_eq!(good(data, &["ask", "What is six times seven?"]).await.trim(), "Forty-two.", "found by its data");
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(at("host.json")).unwrap()).unwrap();
    let url = file["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://"), "{url}");
    let ca = text(&at("ca.pem"));
    good(data, &["tree", "--url", &url, "--ca", &ca]).await;
    let (code, _, said) = run(data, &["tree", "--url", &url]).await;
    assert!(code == 69 && said.contains("certificate"), "{code} {said}");
    let (code, _, said) = run(data, &["tree", "--url", &url.replace("https", "http")]).await;
    assert_ne!(code, 0, "{said}");
    let (code, _, said) = run(data, &["tree", "--url", &url, "--ca", &text(&key)]).await;
    assert!(code == 64 && said.contains("holds no certificate"), "{code} {said}");
    host.stop().await;

    configure(data, &format!("{runtime}{tls}client_ca = {ca:?}\n"));
    let host = Running::start_as(data, &["--cert", &text(&own), "--key", &text(&own_key)]).await;
    good(data, &["ask", "Hello", "--cert", &text(&own), "--key", &text(&own_key)]).await;
    let (code, _, said) = run(data, &["tree"]).await;
    assert!(code == 64 && said.contains("--cert and --key"), "{code} {said}");
    let (code, _, said) = run(data, &["tree", "--cert", &text(&own)]).await;
    assert!(code == 64 && said.contains("go together"), "{code} {said}");
    host.stop().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_with_their_key_before_anything_is_opened() {
    let data = home();
    let data = data.path();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let (certificate, secret) = (data.join("c.pem"), data.join("k.pem"));
    std::fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&secret, "no key at all").unwrap();
    std::fs::create_dir(data.join("agents")).unwrap();
    std::fs::write(data.join("agents/ann.toml"), "nmae = \"ann\"\n").unwrap();
    let missing = data.join("missing.pem");
    let tls = format!("[api.tls]\ncertificate = {certificate:?}\nkey = {secret:?}\nclient_ca = {missing:?}\n");
    configure(data, &tls);
    let expected = [
        format!("syzygy.toml:3: api.tls.key: found {secret:?}, expected a file in PEM form with the private key"),
        "there is no private key in PEM form in it".to_owned(),
        format!("syzygy.toml:4: api.tls.client_ca: found {missing:?}, expected a file in PEM form with certificates"),
        "there is no such file".to_owned(),
        "agents/ann.toml:1: nmae: found a key that does not exist".to_owned(),
    ];
    for verb in [&["config", "check"][..], &["up", "--listen", "127.0.0.1:0"]] {
        let (exit, _, said) = run(data, verb).await;
        assert_eq!(exit, code(Class::Invalid), "{said}");
        for expected in &expected {
            assert!(said.contains(expected), "{verb:?}: {expected} is not in {said}");
        }
    }
    assert!(!data.join("journal.db").exists() && !data.join("tokens.json").exists());
    let (exit, out, _) = run(data, &["doctor", "-o", "json"]).await;
    assert_eq!(exit, code(Class::Unavailable));
    let tls = checked(&out, "tls");
    assert_eq!(tls["verdict"], "bad");
    let detail = tls["detail"].as_str().unwrap();
    assert!(detail.contains("k.pem (api.tls.key): there is no private key"), "{detail}");

    std::fs::write(&secret, key.serialize_pem()).unwrap();
    std::fs::remove_file(data.join("agents/ann.toml")).unwrap();
    configure(data, &format!("[api.tls]\ncertificate = {certificate:?}\nkey = {secret:?}\n"));
    good(data, &["config", "check"]).await;
    let well = good(data, &["doctor", "-o", "json"]).await;
    assert_eq!(checked(&well, "tls")["verdict"], "good");
}
