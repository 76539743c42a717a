//! Requests to the Vault API.

use reqwest::header::HeaderValue;
use reqwest::{Certificate, Method, Response, Url, redirect};
use serde_json::json;
use tokio::time::timeout_at;
use zeroize::Zeroizing;

use super::answer::{self, Read};
use super::{Token, VaultConfig};
use crate::secrets::{Error, Path, file};
use crate::types::{Cx, Secret, aside};

/// Bytes of an answer at the most: a secret with all of its fields, and what is said about it.
const ANSWER_MAX: usize = 1 << 20;

pub(super) struct Client {
    client: reqwest::Client,
    base: Url,
    namespace: Option<HeaderValue>,
    token: Token,
}

impl Client {
    pub(super) fn new(config: VaultConfig) -> Result<Client, Error> {
        let setup = |reason: &str| Error::Setup(reason.to_owned());
        let base: Url = config.address.parse().map_err(|_| setup("the address of the vault is no URL"))?;
        let here = match base.host_str() {
            Some("localhost") => true,
            Some(host) => host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
            None => false,
        };
        match base.scheme() {
            "https" => {}
            "http" if here => {}
            "http" => {
                return Err(setup("the address of the vault is http://, and its token would be sent in the clear"));
            }
            _ => return Err(setup("the address of the vault is neither https:// nor http://")),
        }
        if !matches!(base.path(), "" | "/") || base.query().is_some() || !base.username().is_empty() {
            return Err(setup("the address of the vault has more than a scheme, a host and a port"));
        }
        let namespace = config.namespace.as_deref().map(|name| {
            let name = name.trim_matches('/');
            let path = name.parse::<Path>().ok().filter(|path| path.field().is_none());
            path.and_then(|_| HeaderValue::from_str(name).ok()).ok_or_else(|| setup("the vault's namespace is no path"))
        });
        // Fails when another part of the program installed one first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder().connect_timeout(config.connect_timeout).tcp_nodelay(true).no_proxy();
        let builder = builder.redirect(redirect::Policy::none()).user_agent("syzygy");
        let builder = match (&config.authority, base.scheme()) {
            (_, "http") => builder.tls_certs_only([]),
            (None, _) => builder,
            (Some(pem), _) => {
                let trusted = Certificate::from_pem_bundle(pem).ok().filter(|all| !all.is_empty());
                builder.tls_certs_only(
                    trusted.ok_or_else(|| setup("the vault's authority is no certificate in PEM form"))?,
                )
            }
        };
        let client = builder.build().map_err(|error| Error::Setup(why(error)))?;
        Ok(Client { client, base, namespace: namespace.transpose()?, token: config.token })
    }

    /// Reads what stands at a place, or what an engine makes there.
    pub(super) async fn read(&self, cx: &Cx, path: &Path, place: &str, makes: bool) -> Result<Read, Error> {
        let what = format!("lease the secret {path}");
        let call = async {
            let (status, body, token) = self.send(Method::GET, place, None, &what).await?;
            match status {
                200 => answer::read(path, &body, makes),
                _ => Err(answer::refused(path, &what, status, &body, &token)),
            }
        };
        until(cx, &what, call).await
    }

    /// Ends a lease, and waits until what was made for it is gone. One that is over already is as good.
    pub(super) async fn revoke(&self, cx: &Cx, name: &Secret) -> Result<(), Error> {
        let what = "revoke the lease of a secret";
        let call = async {
            let body = json!({ "lease_id": name.reveal(), "sync": true }).to_string();
            let (status, body, token) = self.send(Method::PUT, "sys/leases/revoke", Some(body), what).await?;
            match status {
                200 | 204 => Ok(()),
                _ if answer::knows_no_lease(status, &body) => Ok(()),
                _ => Err(Error::Unavailable {
                    what: what.to_owned(),
                    reason: answer::said(status, &body, &[&token, name]),
                }),
            }
        };
        until(cx, what, call).await
    }

    async fn token(&self, what: &str) -> Result<Secret, Error> {
        match &self.token {
            Token::Value(token) => Ok(token.clone()),
            Token::File(file) => {
                let (path, shown) = (file.clone(), file.display().to_string());
                let read = aside(usize::MAX, move || file::token(&path)).await;
                let failed = |reason| format!("could not read the token in {shown}: {reason}");
                read.map_err(|reason| Error::Unavailable { what: what.to_owned(), reason: failed(reason) })
            }
        }
    }

    /// Sends one request: the status, the body, and the token it was sent with, which no error may repeat.
    async fn send(
        &self,
        method: Method,
        place: &str,
        body: Option<String>,
        what: &str,
    ) -> Result<(u16, Zeroizing<Vec<u8>>, Secret), Error> {
        let failed = |reason: String| Error::Unavailable { what: what.to_owned(), reason };
        let token = self.token(what).await?;
        let mut shown = HeaderValue::from_str(token.reveal())
            .map_err(|_| failed("its token has characters that no token has".to_owned()))?;
        shown.set_sensitive(true);
        let url =
            self.base.join(&format!("/v1/{place}")).map_err(|_| failed("the address takes no path".to_owned()))?;
        let request = self.client.request(method, url).header("x-vault-token", shown);
        // Agents that stand before a vault refuse what comes without: a page in a browser cannot send it.
        let request = request.header("x-vault-request", "true");
        let request = match &self.namespace {
            Some(namespace) => request.header("x-vault-namespace", namespace),
            None => request,
        };
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body),
            None => request,
        };
        let response = request.send().await.map_err(|error| failed(why(error)))?;
        let status = response.status().as_u16();
        let body = bounded(response).await.map_err(failed)?;
        Ok((status, body, token))
    }
}

async fn bounded(mut response: Response) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(why)? {
        if body.len() + chunk.len() > ANSWER_MAX {
            return Err(format!("the vault's answer has more than {ANSWER_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Waits for a call, as long as anybody waits for us.
async fn until<T>(cx: &Cx, what: &str, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::select! {
        done = timeout_at(cx.deadline(), call) => {
            done.unwrap_or_else(|_| Err(Error::TimedOut { what: what.to_owned() }))
        }
        () = cx.cancelled() => Err(Error::Cancelled { what: what.to_owned() }),
    }
}

/// An error of the client with its causes, which name the reason, and without the URL.
fn why(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
