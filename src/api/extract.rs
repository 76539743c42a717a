//! What handlers take out of a request, with problems that say what was expected.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::request::Parts;
use futures::StreamExt;
use serde::de::DeserializeOwned;
use tokio::sync::SemaphorePermit;

use super::Config;
use super::app::App;
use super::framing::Refusal;
use super::guarded::Answered;
use super::problem::{Code, Problem};

/// A JSON body of this type, read within the limits.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Body<T>, Problem> {
        let config = app.config();
        let said = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !said.is_some_and(is_json) {
            let detail = format!(
                "the content type is {}; send `content-type: application/json`",
                said.map_or("missing".to_owned(), |said| format!("{said:?}"))
            );
            return Err(Problem::new(Code::WrongMediaType, detail));
        }
        // Requests that came over no connection are those of tests.
        let connection = request.extensions().get::<Arc<Answered>>().cloned();
        let reading = read(request.into_body(), connection.as_deref(), config.body_bytes_max, app);
        let (bytes, _room) = timely(reading, config).await?;
        read_json(&bytes, config.json_depth_max).map(Body)
    }
}

/// A request whose body is all there, and not too deep if it is JSON.
pub(super) async fn complete(app: &App, request: Request) -> Result<(Request, Option<SemaphorePermit<'_>>), Problem> {
    let config = app.config();
    let connection = request.extensions().get::<Arc<Answered>>().cloned();
    let (parts, body) = request.into_parts();
    let reading = read(body, connection.as_deref(), config.body_bytes_max, app);
    let (bytes, room) = timely(reading, config).await?;
    check_depth(&bytes, config.json_depth_max)?;
    Ok((Request::from_parts(parts, bytes.into()), room))
}

/// A body within its time.
async fn timely<T>(reading: impl Future<Output = Result<T, Problem>>, config: &Config) -> Result<T, Problem> {
    tokio::time::timeout(config.read_timeout(), reading).await.unwrap_or_else(|_| {
        let detail = format!("the body did not come within {} s (api.read_timeout_s)", config.read_timeout_s);
        Err(Problem::new(Code::BodyTimeout, detail))
    })
}

/// A body as far as the limit. One that says beforehand that it is longer is not begun; the connection reads on for a
/// while, so that its sender sees the answer.
///
/// Room for it is taken as it comes, or at once if it says how long it is, and given back when it has been taken apart.
async fn read<'a>(
    body: axum::body::Body,
    connection: Option<&Answered>,
    limit: usize,
    app: &'a App,
) -> Result<(Vec<u8>, Option<SemaphorePermit<'a>>), Problem> {
    if axum::body::HttpBody::size_hint(&body).lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let mut room = Room { app, taken: None, bytes: 0 };
    room.grow(usize::try_from(axum::body::HttpBody::size_hint(&body).lower()).unwrap_or(limit))?;
    let (mut stream, mut bytes) = (body.into_data_stream(), Vec::new());
    while let Some(more) = stream.next().await {
        let more = more.map_err(|_| broke_off(connection))?;
        if bytes.len() + more.len() > limit {
            return Err(too_large(limit));
        }
        room.grow(bytes.len() + more.len())?;
        bytes.extend_from_slice(&more);
    }
    Ok((bytes, room.taken))
}

/// Why not all of a body came: its bytes had no reading, or its sender left.
fn broke_off(connection: Option<&Answered>) -> Problem {
    let refusal = connection.and_then(Answered::bad_body);
    refusal.map_or_else(|| Problem::new(Code::MalformedJson, "the body broke off"), Refusal::problem)
}

/// What one body has of the room for all.
struct Room<'a> {
    app: &'a App,
    taken: Option<SemaphorePermit<'a>>,
    bytes: usize,
}

impl Room<'_> {
    /// Takes more, so that it is room for this many bytes.
    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let more = u32::try_from(bytes.saturating_sub(self.bytes)).unwrap_or(u32::MAX);
        let Ok(permit) = self.app.room.try_acquire_many(more) else {
            let most = self.app.config().bodies_bytes_max;
            let detail = format!("bodies of {most} bytes are being read (api.bodies_bytes_max); try again in a moment");
            return Err(Problem::new(Code::Overloaded, detail));
        };
        self.bytes = self.bytes.max(bytes);
        match &mut self.taken {
            Some(taken) => taken.merge(permit),
            None => self.taken = Some(permit),
        }
        Ok(())
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("the body has more than {limit} bytes (api.body_bytes_max)"))
}

/// A body of this type, nested no deeper than this.
pub(super) fn read_json<T: DeserializeOwned>(bytes: &[u8], depth_max: usize) -> Result<T, Problem> {
    check_depth(bytes, depth_max)?;
    let error = match serde_json::from_slice(bytes) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    // To JSON Schema, and so to the contract, 4.0 is a whole number; to serde it is none.
    let plain = if error.is_data() { whole_numbers(bytes) } else { None };
    match plain {
        Some(plain) => serde_json::from_slice(&plain).map_err(|error| misfit(&plain, &error)),
        None => Err(misfit(bytes, &error)),
    }
}

/// The same JSON with whole numbers written without a point or an exponent, every other byte where it was as far as there
/// is room; none if there are no such numbers. Only bodies that do not fit as they are pay for it.
fn whole_numbers(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut plain, mut rest, mut changed) = (Vec::with_capacity(bytes.len()), bytes, false);
    while let Some(byte) = rest.first() {
        let length = match byte {
            b'"' => text_length(rest),
            b'-' | b'0'..=b'9' => rest.iter().take_while(|byte| b"+-.eE0123456789".contains(byte)).count(),
            _ => 1,
        };
        let (token, more) = rest.split_at(length);
        match std::str::from_utf8(token).ok().and_then(whole) {
            Some(number) => {
                // Space after a number means nothing, and keeps the columns that errors name.
                plain.extend_from_slice(format!("{number:<length$}").as_bytes());
                changed = true;
            }
            None => plain.extend_from_slice(token),
        }
        rest = more;
    }
    changed.then_some(plain)
}

/// Bytes of the JSON text that begins here, its quotes included.
fn text_length(bytes: &[u8]) -> usize {
    let mut escaped = false;
    let end = bytes.iter().skip(1).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map_or(bytes.len(), |end| end + 2)
}

/// What an integer type of ours can hold lies between these.
const INTEGERS: std::ops::RangeInclusive<f64> = -9.3e18..=1.85e19;

/// The digits of a whole number that is written with a point or an exponent, if this is one.
fn whole(token: &str) -> Option<String> {
    let number: f64 = if token.contains(['.', 'e', 'E']) { token.parse().ok()? } else { return None };
    // Adding nothing makes a negative zero a plain one.
    (INTEGERS.contains(&number) && number.fract() == 0.0).then(|| format!("{:.0}", number + 0.0))
}

/// Refuses what is nested deeper than anything that could be meant, before anything is made of it.
fn check_depth(bytes: &[u8], most: usize) -> Result<(), Problem> {
    let (mut depth, mut text, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'{' | b'[' if !text => depth += 1,
            b'}' | b']' if !text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            let detail = format!("the JSON has more than {most} levels (api.json_depth_max)");
            return Err(Problem::new(Code::TooLarge, detail));
        }
    }
    Ok(())
}

fn is_json(said: &str) -> bool {
    let essence = said.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Serde names the place and what it expected; what it found is repeated only if it is the name of a field.
fn misfit(bytes: &[u8], error: &serde_json::Error) -> Problem {
    // What is wrong with a variant looks like wrong syntax to the parser.
    let fits = error.is_data() || serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
    let code = if fits { Code::InvalidRequest } else { Code::MalformedJson };
    Problem::new(code, error.to_string())
}

/// The changing part of a path as this type.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    #[expect(clippy::disallowed_types, reason = "this is where it is wrapped")]
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Path<T>, Problem> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|path| Path(path.0)).map_err(|error| match error {
            PathRejection::FailedToDeserializePathParams(error) => {
                Problem::new(Code::InvalidRequest, format!("the path does not fit: {}", error.body_text()))
            }
            other => Problem::new(Code::InvalidRequest, other.to_string()),
        })
    }
}

/// The query of a request as this type.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    #[expect(clippy::disallowed_types, reason = "this is where it is wrapped")]
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Query<T>, Problem> {
        check_query(parts.uri.query().unwrap_or_default())?;
        let read = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        read.map(|query| Query(query.0)).map_err(|error| match error {
            QueryRejection::FailedToDeserializeQueryString(error) => {
                Problem::new(Code::InvalidRequest, error.body_text())
            }
            other => Problem::new(Code::InvalidRequest, other.to_string()),
        })
    }
}

/// Refuses what would be read as something else: percent signs that begin no byte, and bytes that are no text.
fn check_query(query: &str) -> Result<(), Problem> {
    let mut bytes = query.bytes();
    let mut text = Vec::with_capacity(query.len());
    let wrong = || Problem::new(Code::InvalidRequest, "the query is not percent-encoded UTF-8");
    while let Some(byte) = bytes.next() {
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or_else(wrong);
        let byte = if byte == b'%' { digit()? * 16 + digit()? } else { u32::from(byte) };
        text.push(u8::try_from(byte).map_err(|_| wrong())?);
    }
    if std::str::from_utf8(&text).is_ok() { Ok(()) } else { Err(wrong()) }
}

/// What form of answer the client wants.
pub(super) struct Wants {
    /// A stream of events.
    pub(super) stream: bool,
    /// An answer at once, with the work done later.
    pub(super) respond_async: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Wants {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Wants, Self::Rejection> {
        let says = |name: &str, word: &str| {
            let values = parts.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split([',', ';'])).any(|one| one.trim().eq_ignore_ascii_case(word))
        };
        Ok(Wants { stream: says(ACCEPT.as_str(), "text/event-stream"), respond_async: says("prefer", "respond-async") })
    }
}
