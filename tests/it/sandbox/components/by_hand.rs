use super::way::*;
use super::*;
use serde_json::json;
use std::time::Duration;
use syzygy::egress::Transport;
use syzygy::sandbox::{Call, Egress, Limits, Sandbox};

#[tokio::test]
async fn real_ones() {
    for path in ["/tmp/cpy/app.wasm", "/tmp/cjs/app2.wasm"] {
        let Ok(component) = std::fs::read(path) else { continue };
        let tier = Tier::new([component.clone()]).await;
        let net = world(|_| ok("hello from outside"));
        let compiled =
            tier.wasm.prepare(&super::super::cx(Duration::from_secs(900)), spec("web", &component, limits())).await;
        eprintln!("{path}: {:?}", compiled.map(|_| ()).map_err(|e| e.to_string()));
        let way = Way::new(Arc::new(net.clone()), vec![rule(HOST, 443, Transport::Tls)], true);
        let minutes = Duration::from_secs(900);
        let wide = Limits { cpu: Some(Duration::from_secs(100)), wall: minutes, ..limits() };
        let cx = super::super::cx(minutes);
        for egress in [way.egress(), Egress::None] {
            let mut spec = spec("web", &component, wide.clone());
            spec.egress = egress;
            let prepared = match tier.wasm.prepare(&cx, spec).await {
                Ok(prepared) => prepared,
                Err(error) => {
                    eprintln!("{path}: {error}");
                    break;
                }
            };
            for host in [HOST, "elsewhere.example.org"] {
                let input = json!({"tls": true, "host": host, "path": "/v1/x?y=1"});
                let outcome = tier.wasm.invoke(&cx, &prepared, Call::new("web", input)).await;
                eprintln!("{path} {host}: {:?} {:?} {}", outcome.ended, outcome.answer, outcome.stderr);
            }
        }
        eprintln!("{:?}", way.passage.report());
        eprintln!("{:?}", net.seen().iter().map(|seen| seen.head.clone()).collect::<Vec<_>>());
    }
}
