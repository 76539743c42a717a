//! The way to webhooks in the simulation's weather: receivers that are down, silent, slow, unwilling, or that take a notice
//! and cannot say so.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::weather::{Slip, Weather};
use crate::field::{Error, Notice, Outbound};
use crate::types::{Cleared, Cx};

/// One attempt to tell somebody.
#[derive(Debug, Clone)]
pub(super) struct Posted {
    /// Where to.
    pub(super) url: String,
    /// The notice's id.
    pub(super) id: String,
    /// Whether its receiver has it, whatever its sender heard.
    pub(super) arrived: bool,
}

/// All attempts of a simulation, in order. As long as what its hosts have to tell.
pub(super) type Mail = Arc<Mutex<Vec<Posted>>>;

pub(super) struct Post {
    inner: Arc<dyn Outbound>,
    weather: Arc<Weather>,
    mail: Mail,
}

impl Post {
    pub(super) fn new(inner: Arc<dyn Outbound>, weather: Arc<Weather>, mail: Mail) -> Post {
        Post { inner, weather, mail }
    }

    /// Gives it to its receiver, and notes whether that has it.
    async fn hand_over(&self, cx: &Cx, notice: &Cleared<Notice>, place: usize) -> Result<(), Error> {
        self.inner.deliver(cx, notice).await?;
        if let Some(posted) = self.mail.lock().get_mut(place) {
            posted.arrived = true;
        }
        Ok(())
    }
}

#[async_trait]
impl Outbound for Post {
    async fn deliver(&self, cx: &Cx, notice: &Cleared<Notice>) -> Result<(), Error> {
        let place = {
            let Notice { url, id, .. } = notice.get();
            let mut mail = self.mail.lock();
            mail.push(Posted { url: url.clone(), id: id.clone(), arrived: false });
            mail.len() - 1
        };
        let lost = |what: &str| Error::Unreachable(format!("the simulation {what}"));
        match self.weather.slip() {
            None => self.hand_over(cx, notice, place).await,
            Some(Slip::Fails) => Err(Error::Status(503)),
            Some(Slip::Refuses) => Err(Error::Status(410)),
            Some(Slip::Hangs) => {
                tokio::select! {
                    biased;
                    () = cx.cancelled() => {}
                    () = tokio::time::sleep_until(cx.deadline()) => {}
                }
                Err(lost("let nobody answer"))
            }
            Some(Slip::Forgets) => {
                self.hand_over(cx, notice, place).await?;
                Err(lost("lost the answer"))
            }
            Some(Slip::Slow(time)) => {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(cx.deadline()) => return Err(lost("took too long")),
                    () = tokio::time::sleep(time) => {}
                }
                self.hand_over(cx, notice, place).await
            }
        }
    }
}
