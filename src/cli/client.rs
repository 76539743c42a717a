//! The HTTP client of a running host, and how it is found.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::arguments::Connection;
use super::error::Error;
use super::{Environment, Launcher};
use crate::api::{self, Code, HOST_FILE, OPERATOR_FILE, Problem};

/// A host on this machine answers at once or not at all.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Silence after which a host is given up: reading a large journal takes long, and streams send a comment now and then.
const SILENCE_MOST: Duration = Duration::from_secs(900);

/// The largest request that is sent, in bytes: eight times what a host takes by default, and as much as it reads of one
/// it refuses, so that whatever it says against it is heard.
pub(super) const REQUEST_BYTES_MAX: usize = 64 << 20;

/// A refusal of what no host would be asked to take.
pub(super) fn too_large(what: &str) -> Error {
    let detail = format!("{what} has more than {REQUEST_BYTES_MAX} bytes, which is the most that is sent");
    Error::Problem(Box::new(Problem::new(Code::TooLarge, detail)))
}

/// The largest error that is read: a problem is far shorter.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// Reaches one host.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    /// Whether it has a certificate of its own to show.
    shows_certificate: bool,
    token: Option<String>,
    /// Whether only the data directory names this host, which it does after a crash too.
    found: bool,
}

impl Client {
    /// Finds the host and the token: what was said, what the environment says, what the data directory has.
    pub(super) fn connect(
        with: &Connection,
        environment: &Environment,
        launcher: &dyn Launcher,
    ) -> Result<Client, Error> {
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, value)| known == name && !value.is_empty());
            found.map(|(_, value)| value.clone())
        };
        let said = with.url.clone().or_else(|| variable("SYZYGY_URL"));
        let token = with.token.clone().or_else(|| variable("SYZYGY_TOKEN"));
        let own = said.is_none().then(|| running(&launcher.data_dir(&with.local)?)).transpose()?;
        let found = own.is_some();
        let (text, shown) = own.map(|own| (own.url, own.ca)).or(said.map(|said| (said, None))).unwrap_or_default();
        let url = Url::parse(&text).map_err(|error| Error::Usage(format!("{text:?} is no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(Error::Usage(format!("{text:?} is no URL of a host (expected http://... or https://...)")));
        }
        let token = match token {
            // What goes into a header is one line of visible characters.
            Some(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err(Error::Usage("a token is one word of visible characters; this one is not".to_owned()));
            }
            Some(token) => Some(token),
            // The operator's token is for the host of its own data directory and is not sent to another machine.
            None if found || with.local.data_dir.is_some() || is_local(&url) => {
                operator_token(&launcher.data_dir(&with.local)?)?
            }
            None => None,
        };
        let file = |said: &Option<PathBuf>, name: &str| said.clone().or_else(|| variable(name).map(PathBuf::from));
        let papers = Papers {
            ca: file(&with.ca, "SYZYGY_CA").or(shown),
            certificate: file(&with.cert, "SYZYGY_CERT"),
            key: file(&with.key, "SYZYGY_KEY"),
        };
        Ok(Client { http: http(&url, &papers)?, shows_certificate: papers.certificate.is_some(), url, token, found })
    }

    /// Whether the data directory names a host that is not there any more: it crashed, or was killed.
    pub(super) async fn is_gone(&self) -> bool {
        self.found && matches!(self.get::<api::Liveness>("/healthz").await, Err(Error::NoHost { .. }))
    }

    /// Where the host is.
    pub(super) fn url(&self) -> &str {
        self.url.as_str()
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.read(self.send(Method::GET, path, None::<&()>, None).await?).await
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.read(self.send(Method::POST, path, Some(body), None).await?).await
    }

    pub(super) async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.read(self.send(Method::PUT, path, Some(body), None).await?).await
    }

    /// Tells the host something that takes no body, and returns what it answers.
    pub(super) async fn order<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.read(self.send(Method::POST, path, None::<&()>, None).await?).await
    }

    /// Tells the host something whose answer has no body.
    pub(super) async fn tell(&self, method: Method, path: &str) -> Result<(), Error> {
        self.send(method, path, None::<&()>, None).await.map(|_| ())
    }

    /// The same with a body.
    pub(super) async fn say(&self, path: &str, body: &impl Serialize) -> Result<(), Error> {
        self.send(Method::POST, path, Some(body), None).await.map(|_| ())
    }

    /// Asks and returns the answer while it comes.
    pub(super) async fn stream(&self, path: &str, body: &impl Serialize) -> Result<Response, Error> {
        self.send(Method::POST, path, Some(body), Some("text/event-stream")).await
    }

    /// Gets and returns the answer while it comes.
    pub(super) async fn download(&self, path: &str) -> Result<Response, Error> {
        self.send(Method::GET, path, None::<&()>, None).await
    }

    /// Passes on what another program says, and returns whatever is answered, refusals too.
    pub(super) async fn pass(
        &self,
        method: Method,
        path: &str,
        headers: &[(String, String)],
        body: Option<String>,
    ) -> Result<Response, Error> {
        let url = self.url.join(path).map_err(|error| Error::Usage(format!("{path:?} is no path: {error}")))?;
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        request.send().await.map_err(|error| self.unreachable(error))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        accept: Option<&str>,
    ) -> Result<Response, Error> {
        let url = self.url.join(path).map_err(|error| Error::Usage(format!("{path:?} is no path: {error}")))?;
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            let bytes = serde_json::to_vec(body).map_err(|error| Error::Other(anyhow::Error::new(error)))?;
            if bytes.len() > REQUEST_BYTES_MAX {
                return Err(too_large("the request"));
            }
            request = request.header("content-type", "application/json").body(bytes);
        }
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response).await) }
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, Error> {
        let bytes = response.bytes().await.map_err(|error| self.broken(why(&error)))?;
        serde_json::from_slice(&bytes).map_err(|error| self.broken(error.to_string()))
    }

    async fn refusal(&self, mut response: Response) -> Error {
        let status = response.status();
        let mut bytes = Vec::new();
        while let Ok(Some(more)) = response.chunk().await {
            bytes.extend_from_slice(&more);
            if bytes.len() > PROBLEM_BYTES_MAX {
                break;
            }
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Error::Problem(Box::new(problem)),
            Err(_) => self.broken(format!("it refused with status {status} and no reason")),
        }
    }

    pub(super) fn broken(&self, reason: String) -> Error {
        Error::Answer { url: self.url.to_string(), reason }
    }

    fn unreachable(&self, error: reqwest::Error) -> Error {
        let (url, reason) = (self.url.to_string(), why(&error));
        if reason.contains("CertificateRequired") {
            return Error::Usage(format!("{url} wants to see a certificate; name one with --cert and --key"));
        }
        // The refusal of who shows no certificate can come after the handshake, and the end of the connection before it.
        let silent = ["connection was not ready", "connection closed", "Broken pipe", "reset by peer"];
        let cut = !error.is_timeout() && silent.iter().any(|words| reason.contains(words));
        if cut && self.url.scheme() == "https" && !self.shows_certificate {
            let advice = "if it wants to see a certificate, name one with --cert and --key";
            return Error::Usage(format!("{url} ended the connection without a word ({reason}); {advice}"));
        }
        if cut {
            return Error::Cut { url, reason };
        }
        if error.is_connect() || error.is_timeout() { Error::NoHost { url, reason } } else { self.broken(reason) }
    }
}

/// Files in PEM form for a host that speaks TLS.
struct Papers {
    /// Authorities, or the host's own certificate, to trust instead of what this machine trusts.
    ca: Option<PathBuf>,
    /// What this client shows of itself.
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

fn http(url: &Url, papers: &Papers) -> Result<reqwest::Client, Error> {
    // Fails when another part of the program installed one first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_WITHIN)
        .read_timeout(SILENCE_MOST)
        .tcp_nodelay(true)
        // A token goes where the user said, not where an answer or a variable points.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    let builder = if url.scheme() == "http" { builder.tls_certs_only([]) } else { with_papers(builder, papers)? };
    builder.build().map_err(|error| Error::Usage(format!("the certificates cannot be used: {}", why(&error))))
}

fn with_papers(mut builder: reqwest::ClientBuilder, papers: &Papers) -> Result<reqwest::ClientBuilder, Error> {
    let read = |path: &Path| std::fs::read(path).map_err(|cause| Error::File { path: path.to_owned(), cause });
    let wrong = |path: &Path, what: &str| Error::Usage(format!("{} holds no {what} in PEM form", path.display()));
    if let Some(path) = &papers.ca {
        let known = reqwest::Certificate::from_pem_bundle(&read(path)?).map_err(|_| wrong(path, "certificate"))?;
        if known.is_empty() {
            return Err(wrong(path, "certificate"));
        }
        builder = builder.tls_certs_only(known);
    }
    match (&papers.certificate, &papers.key) {
        (Some(certificate), Some(key)) => {
            let both = [read(certificate)?, b"\n".to_vec(), read(key)?].concat();
            let identity = reqwest::Identity::from_pem(&both).map_err(|_| wrong(certificate, "certificate and key"))?;
            Ok(builder.identity(identity))
        }
        (None, None) => Ok(builder),
        _ => Err(Error::Usage("--cert and --key go together".to_owned())),
    }
}

/// The innermost cause: "connection refused" says more than "error sending request".
pub(super) fn why(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn running(data: &Path) -> Result<api::Running, Error> {
    let path = data.join(HOST_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NotRunning { data_dir: data.to_owned() });
        }
        Err(cause) => return Err(Error::File { path, cause }),
    };
    let running: api::Running = serde_json::from_str(&text)
        .map_err(|error| Error::File { path, cause: std::io::Error::new(std::io::ErrorKind::InvalidData, error) })?;
    // A host that was killed leaves its file behind; whoever answers there now must not be given the token.
    if cfg!(target_os = "linux") && !Path::new("/proc").join(running.pid.to_string()).exists() {
        return Err(Error::Died { data_dir: data.to_owned(), pid: running.pid });
    }
    Ok(running)
}

/// The token the first start left, if there is one that this user may read.
fn operator_token(data: &Path) -> Result<Option<String>, Error> {
    let path = data.join(OPERATOR_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::File { path, cause }),
    }
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
