//! Policies of tools at a whole host: the same rule hides a tool from every list and refuses its calls, over HTTP and MCP.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use syzygy::config::{Flag, Inputs, load};
use syzygy::host::Host;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::program::{command, configure, done, home};
use crate::support::{MINUTE, scripted};

const POLICIES: &str = r#"
@id("no-passwords") @because("passwords are not for tools")
forbid (principal, action == Action::"invoke", resource == Tool::"count")
when { context.args.text like "*password*" };

@id("no-sums") @because("sums are done by hand here")
forbid (principal is User, action == Action::"invoke", resource == Tool::"sum");
"#;

/// What a host is told that answers with a fixed text, under the policies in this file.
fn configured(file: &Path) -> String {
    let runtime = "[inference.runtimes.local]\nkind = \"scripted\"\nanswer = \"Forty-two.\"\ntier = \"local\"\n";
    format!("{runtime}[tools.policy]\nfiles = [{:?}]\n", file.display().to_string())
}

/// A host under these policies.
async fn start(data: &Path, policies: &str) -> (Host, String) {
    let file = data.join("operator.cedar");
    std::fs::write(&file, policies).unwrap();
    configure(data, &configured(&file));
    let flag = |key: &str, value: String| Flag { name: key.to_owned(), key: key.to_owned(), value };
    let flags = vec![flag("api.listen", "127.0.0.1:0".to_owned()), flag("host.data_dir", data.display().to_string())];
    let config = load(&Inputs { flags, ..Inputs::default() }).unwrap().config;
    let host = scripted("Forty-two.").config(config).data_dir(data).serve().start().await.unwrap();
    let token = std::fs::read_to_string(data.join("operator.token")).unwrap();
    (host, format!("Bearer {}", token.trim()))
}

/// The status and body of one request.
async fn ask(address: SocketAddr, token: &str, line: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head = format!("{line} HTTP/1.1\r\nhost: {address}\r\nauthorization: {token}\r\nconnection: close\r\n");
    head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    (text[9..12].parse().unwrap(), text.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test]
async fn a_rule_hides_a_tool_everywhere_and_refuses_a_call_for_its_arguments() {
    let data = home();
    let (host, token) = start(data.path(), POLICIES).await;
    let address = host.address().unwrap();
    let get = async |path: &str| ask(address, &token, &format!("GET {path}"), &[], "").await;
    let invoke = async |tool: &str, arguments: Value| {
        let body = json!({ "arguments": arguments }).to_string();
        ask(address, &token, &format!("POST /tools/{tool}/invoke"), &[], &body).await
    };
    let (status, body) = get("/tools").await;
    assert!(status == 200 && body.contains("\"count\"") && !body.contains("\"sum\""), "{body}");
    let (status, body) = get("/tools?q=sum").await;
    assert!(status == 200 && !body.contains("\"sum\""), "{body}");
    assert_eq!(get("/tools/count").await.0, 200);
    let (status, body) = get("/tools/sum").await;
    let known = body.split_once("there are ").map(|(_, known)| known.to_owned()).unwrap_or_default();
    assert!(status == 404 && known.contains("count") && !known.contains("sum"), "{body}");

    assert_eq!(invoke("count", json!({ "text": "a b" })).await.0, 200);
    let (status, body) = invoke("count", json!({ "text": "my password is swordfish" })).await;
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &problem["code"]), (403, &json!("denied")), "{body}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("refused by the policy no-passwords"), "{detail}");
    assert!(detail.contains("context.args.text like \"*password*\"") && !detail.contains("swordfish"), "{detail}");
    let (status, body) = invoke("sum", json!({ "terms": [1, 2] })).await;
    assert!(status == 403 && body.contains("refused by the policy no-sums"), "{body}");

    let params = |more: Value| {
        let mut params = more;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        params
    };
    let mcp = async |method: &str, name: &str, more: Value| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params(more) }).to_string();
        let named = [
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
            ("mcp-name", name),
        ];
        let named = if name.is_empty() { &named[..3] } else { &named[..] };
        ask(address, &token, "POST /mcp", named, &body).await
    };
    let (status, body) = mcp("tools/list", "", json!({})).await;
    assert!(status == 200 && body.contains("\"count\"") && !body.contains("\"sum\""), "{body}");
    let text = json!({ "name": "count", "arguments": { "text": "my password is swordfish" } });
    let (_, body) = mcp("tools/call", "count", text).await;
    assert!(body.contains("no-passwords") && !body.contains("swordfish"), "{body}");

    host.journal().flush().await.unwrap();
    let events = host.journal().read(1, 10_000).await.unwrap();
    let refused: Vec<_> = events.iter().filter(|event| event.kind == "tool.refused").collect();
    assert_eq!(refused.len(), 3, "each refused call of a tool is on record");
    assert!(format!("{refused:?}").contains("no-passwords") && !format!("{refused:?}").contains("swordfish"));
    host.shutdown(MINUTE).await.unwrap();
}

#[tokio::test]
async fn a_host_does_not_start_under_a_policy_that_says_nothing_of_a_tool_it_has() {
    let data = home();
    let file = data.path().join("operator.cedar");
    std::fs::write(&file, POLICIES.replace("context.args.text", "context.args.texts")).unwrap();
    configure(data.path(), &configured(&file));
    let output = done(&mut command(data.path(), &["up", "--listen", "127.0.0.1:0"])).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("operator.cedar:4:8") && said.contains("no-passwords"), "{said}");
}
