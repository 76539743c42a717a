//! Work on large texts, beside the threads that everybody else waits for.

/// Bytes from which on a text is worked on aside. Reading 64 KiB takes the slowest of our rules about a millisecond;
/// below that the way to another thread and back is no bargain.
const LARGE: usize = 64 * 1024;

/// Does work that takes time in proportion to so many bytes: here if they are few, else on a thread of its own, so that
/// no other task waits behind it.
pub async fn aside<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes < LARGE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime goes down, and with it whoever waits here.
            Err(_) => std::future::pending().await,
        },
    }
}
