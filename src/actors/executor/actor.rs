//! The shell around an executor's state: runs calls as jobs.

use std::sync::Arc;

use super::handle::Error;
use super::message::{Message, Work};
use super::state::State;
use super::tools::Table;
use super::{Config, View};
use crate::actors::line::Arrival;
use crate::supervision::{Actor, Context, Envelope, Fault};
use serde_json::Value;

pub(super) struct Shell {
    tools: Arc<Table>,
    config: Config,
    state: State<Box<Work>>,
}

impl Shell {
    pub(super) fn new(tools: Arc<Table>, config: Config) -> Shell {
        let state = State::new(tools.keys().cloned().collect(), config.concurrency, config.waiting);
        Shell { tools, config, state }
    }

    fn run(&self, work: Work, context: &mut Context<Message>) {
        let Work { cx, call, reply } = work;
        let name = call.name;
        let Some(tool) = self.tools.get(&name).cloned() else {
            let known = self.tools.keys().cloned().collect::<Vec<_>>().join(", ");
            let result = Err(Error::Unknown { name, known });
            // The place was taken, so it is given back the same way as after a real call.
            return context.job(&cx, std::future::ready(()), move |_| Message::Called { reply, result });
        };
        let (limit, call_cx) = (self.config.result_bytes_max, cx.clone());
        let work = async move { tool.call(call_cx, call.arguments).await };
        context.guest(&cx, work, move |outcome| {
            let result = match outcome {
                Ok(Ok(value)) => bounded(&name, value, limit),
                Ok(Err(reason)) => Err(Error::Failed { name, reason }),
                Err(error) => Err(Error::Failed { name, reason: error.to_string() }),
            };
            Message::Called { reply, result }
        });
    }

    fn view(&self) -> &View {
        self.state.view()
    }
}

fn bounded(name: &str, value: Value, limit: usize) -> Result<Value, Error> {
    if serde_json::to_writer(Room(limit), &value).is_ok() {
        return Ok(value);
    }
    let reason = format!("its result has more than {limit} bytes (executor.result_bytes_max)");
    Err(Error::Failed { name: name.to_owned(), reason })
}

/// So many bytes fit. Nothing is kept of them: what is too large is not copied to find that out.
struct Room(usize);

impl std::io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Actor for Shell {
    type Message = Message;

    async fn start(&mut self, context: &mut Context<Message>) -> Result<(), Fault> {
        context.publish(self.view());
        Ok(())
    }

    async fn handle(&mut self, envelope: Envelope<Message>, context: &mut Context<Message>) -> Result<(), Fault> {
        match envelope.message {
            Message::Call(mut work) => {
                work.cx = work.cx.on_the_way_of(&envelope.cx);
                match self.state.call(work) {
                    Arrival::Enters(work) => self.run(*work, context),
                    Arrival::Waits => {}
                    Arrival::Refused(work) => work.reply.send(Err(Error::Full { name: work.call.name.clone() })),
                }
            }
            Message::Called { reply, result } => {
                let next = self.state.called(result.is_ok());
                reply.send(result);
                if let Some(work) = next {
                    self.run(*work, context);
                }
            }
        }
        context.publish(self.view());
        Ok(())
    }
}
