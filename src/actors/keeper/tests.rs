//! Tests of the keeper.

use super::state::State;
use crate::store::View;

#[test]
fn a_failed_journal_is_a_failure_of_the_keeper() {
    let mut state = State::default();
    assert_eq!(state.look(View::default()), Ok(()));
    let failed = View { failed: Some("disk full".to_owned()), ..View::default() };
    assert_eq!(state.look(failed.clone()), Err("the journal has failed: disk full".to_owned()));
    assert_eq!(state.view(), &failed);
}
