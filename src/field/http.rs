//! Notices by HTTP.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Url, redirect};
use tokio::time::timeout_at;

use super::sign::{SIGNATURE, signature};
use super::{Error, Notice, Outbound};
use crate::types::{Cleared, Cx};

/// A receiver that takes longer than this to be connected to is as good as down.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Sends notices to receivers, over TLS or to plain `http://` addresses.
pub struct Http {
    /// For plain HTTP: it must work on a machine without root certificates, so it gets none.
    plain: Client,
    /// For TLS; why not, if this machine has no root certificates.
    secure: Result<Client, String>,
}

impl Http {
    /// Connects to nothing yet.
    pub fn new() -> Result<Http, Error> {
        // Fails when another part of the program installed one first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            let builder = Client::builder().connect_timeout(CONNECT_WITHIN).tcp_nodelay(true).no_proxy();
            builder.redirect(redirect::Policy::none()).user_agent("syzygy")
        };
        let plain = builder().tls_certs_only([]).build().map_err(|error| Error::Unreachable(why(error)))?;
        Ok(Http { plain, secure: builder().build().map_err(why) })
    }

    fn client(&self, url: &Url) -> Result<&Client, Error> {
        match url.scheme() {
            "http" => Ok(&self.plain),
            "https" => self.secure.as_ref().map_err(|reason| Error::Address(reason.clone())),
            other => Err(Error::Address(format!("{other} is not spoken (http and https are)"))),
        }
    }
}

#[async_trait]
impl Outbound for Http {
    async fn deliver(&self, cx: &Cx, notice: &Cleared<Notice>) -> Result<(), Error> {
        let notice = notice.get();
        let url: Url = notice.url.parse().map_err(|_| Error::Address("its address is no URL".to_owned()))?;
        let request = self.client(&url)?.post(url);
        let request = request.header("content-type", "application/json");
        let request = request.header("x-syzygy-delivery", &notice.id).header("x-syzygy-event", &notice.event);
        let request = match &notice.key {
            Some(key) => request.header(SIGNATURE, signature(key, notice.at, &notice.body)),
            None => request,
        };
        let sent = timeout_at(cx.deadline(), request.body(notice.body.clone()).send());
        let response = match sent.await {
            Ok(answered) => answered.map_err(|error| Error::Unreachable(why(error)))?,
            Err(_) => return Err(Error::Unreachable("the receiver did not answer in time".to_owned())),
        };
        // F2: the body is dropped unread.
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(Error::Status(status.as_u16())) }
    }
}

/// An error of the client with its causes, which name the reason, and without the URL, which may hold a credential.
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
