//! The threads that database work runs on.
//!
//! They are the store's own, not the caller's, for three reasons. A caller on an actix thread may drop its future at
//! any time (a client hung up), and a transaction must not stop half-way. SQLite blocks the calling thread. And the
//! task behind a PostgreSQL connection lives on the runtime that opened it, so a pool shared by many threads must not
//! depend on any one of them.

use std::future::Future;

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinError,
};
use tracing::Instrument;

use super::StoreError;

/// Threads that drive the operations; those on SQLite run on further ones, which block.
const DRIVERS: usize = 2;

/// A small runtime. Work still in it when the last handle is dropped is cancelled at its next wait.
pub(super) struct Threads {
    handle: Handle,
    /// Absent only while being dropped.
    runtime: Option<Runtime>,
}

impl Threads {
    /// Starts threads called `name`, at most `blocking` of which may block at a time.
    pub(super) fn start(name: &str, blocking: usize) -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(DRIVERS)
            .max_blocking_threads(blocking)
            .thread_name(name)
            .enable_all()
            .build()
            .map_err(|error| StoreError::unavailable(&error))?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs `work` to its end, also when the future returned here is dropped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        ended(self.handle.spawn(work.in_current_span()).await)
    }

    /// Runs `work`, which blocks, from its beginning to its end on one thread. A thread for each of its statements would be
    /// two changes of threads a statement, and on a busy machine each of these waits for its turn.
    pub(super) async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (handle, work) = (self.handle.clone(), work.in_current_span());
        ended(self.handle.spawn_blocking(move || handle.block_on(work)).await)
    }
}

fn ended<T>(result: Result<Result<T, StoreError>, JoinError>) -> Result<T, StoreError> {
    result.unwrap_or_else(|error| Err(StoreError::Other(error.to_string())))
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A plain drop would wait for the threads, which is not allowed on an async caller's thread.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    #[test]
    fn work_goes_on_when_its_caller_is_dropped() {
        let threads = Threads::start("test", 1).unwrap();
        let (go, may_go) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let work = threads.run(async move {
            may_go.await.unwrap();
            done.send("done").unwrap();
            Ok(())
        });
        assert!(work.now_or_never().is_none());
        go.send(()).unwrap();
        assert_eq!(is_done.blocking_recv(), Ok("done"));
    }

    #[test]
    fn work_that_panics_is_an_error_of_that_work_alone() {
        let threads = Threads::start("test", 1).unwrap();
        let caller = Builder::new_current_thread().build().unwrap();
        let failed = caller.block_on(threads.run::<()>(async { panic!("a fault") }));
        assert!(matches!(failed, Err(StoreError::Other(_))));
        assert_eq!(caller.block_on(threads.run(async { Ok(1) })), Ok(1));
    }
}
