//! Server-sent events, as the host writes them.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SentEvent {
    pub(super) name: String,
    pub(super) data: String,
}

/// Takes bytes in and gives events out.
#[derive(Debug, Default)]
pub(super) struct Parser {
    waiting: Vec<u8>,
    name: String,
    data: String,
}

/// The longest event that is taken: an answer is far shorter, and what never ends would fill memory.
pub(super) const EVENT_BYTES_MAX: usize = 64 << 20;

impl Parser {
    /// The events these bytes complete; none ever again once one is too long.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<SentEvent>, String> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() + self.data.len() > EVENT_BYTES_MAX {
            return Err(format!("an event has more than {EVENT_BYTES_MAX} bytes"));
        }
        let mut events = Vec::new();
        let mut begin = 0;
        while let Some(length) = self.waiting[begin..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.waiting[begin..begin + length]).into_owned();
            begin += length + 1;
            events.extend(self.line(line.trim_end_matches('\r')));
        }
        self.waiting.drain(..begin);
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<SentEvent> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            return (!data.is_empty()).then_some(SentEvent { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" if self.data.is_empty() => value.clone_into(&mut self.data),
            "data" => {
                self.data.push('\n');
                self.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}
