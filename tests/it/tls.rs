//! The real program over TLS: found by its data directory, by its address and an authority, with a certificate of one's own.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::program::{Running, configure, good, home, run};

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
