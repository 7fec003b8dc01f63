//! The polls of the tasks that hold connections to upstreams, numbered: what was seen of a connection within one poll need not be
//! looked at again until the next one. A task stays on its worker's thread, so each thread counts its own.

use std::{cell::Cell, future::poll_fn, pin::pin};

use hyper::rt::Executor;

thread_local! {
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// Runs the tasks of connections on the runtime of this thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbered;

impl<F> Executor<F> for Numbered
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        tokio::spawn(async move {
            let mut task = pin!(task);
            poll_fn(|cx| {
                NUMBER.set(NUMBER.get().wrapping_add(1));
                task.as_mut().poll(cx)
            })
            .await
        });
    }
}

/// The number of the poll that this thread is in, or was in last.
pub(super) fn number() -> u64 {
    NUMBER.get()
}

#[cfg(test)]
mod tests {
    use tokio::{sync::oneshot, task::yield_now};

    use super::*;

    #[tokio::test]
    async fn every_poll_of_a_task_has_a_number_of_its_own() {
        let (told, hears) = oneshot::channel();
        Numbered.execute(async {
            let (first, again) = (number(), number());
            yield_now().await;
            told.send((first, again, number())).unwrap();
        });
        let (first, again, next) = hears.await.unwrap();
        assert!(first == again && first != next, "{first} {again} {next}");
    }
}
