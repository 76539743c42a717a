//! What a task's context says of its data: how private it is, where it may be, and what may stand for parts of it.

use super::Task;
use super::handle::Error;
use super::pipeline::Pipeline;
use crate::types::sensitive::StandIns;
use crate::types::{Class, Cx};
use crate::ziggy::Classification;

impl Pipeline {
    /// The context of a task: as private as its caller says, and where it may be. What no place at all could serve is
    /// refused here.
    pub(super) fn bound(&self, cx: &Cx, task: &Task) -> Result<Cx, Error> {
        if task.residency.iter().any(|region| region.trim().is_empty()) {
            return Err(Error::Invalid("name regions, such as `eu`, and not an empty text, in `residency`".to_owned()));
        }
        let residency = self.parts.privacy.of_task(cx.principal().tenant(), &task.residency);
        let residency = residency.map_err(|reason| Error::Refused { class: Class::Denied, reason })?;
        Ok(cx.with_privacy(task.privacy).with_residency(&residency))
    }

    /// The context of a run of this class, with what may stand for personal data.
    pub(super) fn outfit(&self, cx: &Cx, class: &Classification) -> Cx {
        let cx = cx.with_privacy(class.privacy);
        let Some(replaced) = &class.replaced else { return cx };
        let mut key = [0; 32];
        key.chunks_mut(8).for_each(|part| part.copy_from_slice(&self.world.random.next().to_le_bytes()));
        cx.with_stand_ins(StandIns::new(replaced.privacy, replaced.kinds.clone(), key))
    }
}
