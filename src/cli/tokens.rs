//! `syzygy tokens`: who may ask a host for what.

use serde_json::json;

use super::arguments::TokensVerb;
use super::budgets::encoded;
use super::client::Client;
use super::console::Console;
use super::error::Error;
use super::paint::columns;
use crate::api::{NewToken, Scope, TokenMade, TokenNames};

/// Lists, makes or revokes tokens.
pub(super) async fn tokens(client: &Client, verb: TokensVerb, console: &mut Console) -> Result<(), Error> {
    match verb {
        TokensVerb::List => {
            let found: TokenNames = client.get("/tokens").await?;
            if console.json { console.out_json(&found) } else { console.out(&table(&found)) }
        }
        TokensVerb::Make { name, scopes, expires_in } => {
            let scopes = scopes.into_iter().map(Scope::from).collect();
            let made: TokenMade = client.post("/tokens", &NewToken { name, scopes, expires_in_s: expires_in }).await?;
            if console.json { console.out_json(&made) } else { console.out(&format!("{}\n", made.token)) }
        }
        TokensVerb::Revoke { name } => {
            client.tell(reqwest::Method::DELETE, &format!("/tokens/{}", encoded(&name))).await?;
            if console.json {
                console.out_json(&json!({ "name": name, "revoked": true }))
            } else {
                console.out(&format!("{name} was revoked\n"))
            }
        }
    }
}

fn table(found: &TokenNames) -> String {
    let mut rows = vec![["NAME", "SCOPES", "EXPIRES"].map(str::to_owned).to_vec()];
    rows.extend(found.tokens.iter().map(|token| {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.word()).collect();
        let expires = token.expires.map_or("never".to_owned(), |expires| expires.rfc3339());
        vec![token.name.clone(), scopes.join(", "), expires]
    }));
    columns(&rows)
}
