//! Whom a failure is held against: the candidate, everybody on its runtime, or nobody.

use crate::actors::{agent, runtime};
use crate::inference;
use crate::ziggy::route::Fault;

/// What failed. A provider, a model and a key fail for everybody who uses them; what an agent does wrong is its own.
pub(super) fn of(error: &agent::Error) -> Fault {
    let agent::Error::Runtime(runtime::Error::Runtime(error)) = error.cause() else { return Fault::Own };
    match error {
        inference::Error::RateLimited { .. } => Fault::Limited,
        inference::Error::Unavailable { .. }
        | inference::Error::Cut { .. }
        | inference::Error::NotInstalled { .. }
        | inference::Error::Damaged { .. }
        | inference::Error::Load { .. } => Fault::Runtime,
        _ => Fault::Own,
    }
}
