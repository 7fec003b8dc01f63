//! The one clock around a connection: runs what serves it until that ends, or until the connection is due to end.

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::wire::Wire;
use crate::{
    domain::principal::Principal,
    pipeline::connection::{Connection, Due, Overdue, Parting},
};

/// How a connection ended.
pub(super) enum End<T> {
    /// By itself.
    Served(T),
    /// Its time was up.
    Overdue(Overdue),
}

/// Serves a connection within its bounds. `stopping` resolves when the gateway stops. When this returns, `serving` has been
/// dropped, and with it the call that was under way.
pub(super) async fn run<T>(
    serving: impl Future<Output = T>,
    wire: &Wire,
    may_be_answered: impl Fn(&Principal, Option<&str>) -> bool,
    stopping: impl Future<Output = ()>,
) -> End<T> {
    let connection = wire.connection();
    let (mut serving, mut stopping, mut is_stopping) = (pin!(serving), pin!(stopping), false);
    let mut sleep = pin!(sleep_until(Instant::now() + connection.bounds().head));
    poll_fn(|cx| {
        connection.interim().watched_by(cx.waker());
        if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            connection.stops();
        }
        if let Poll::Ready(output) = serving.as_mut().poll(cx) {
            return Poll::Ready(End::Served(output));
        }
        // A refusal by the HTTP library would have ended the serving: this is the end of an answer.
        if !matches!(wire.poll_release(cx), Poll::Ready(Ok(()))) {
            connection.cannot_write();
        }
        if wire.has_become_readable() {
            cx.waker().wake_by_ref();
        }
        poll_due(connection, sleep.as_mut(), &may_be_answered, cx).map(End::Overdue)
    })
    .await
}

/// Everything that changes what is due happens while the serving is polled, so it is enough to look afterwards.
fn poll_due(
    connection: &Connection,
    mut sleep: std::pin::Pin<&mut Sleep>,
    may_be_answered: impl Fn(&Principal, Option<&str>) -> bool,
    cx: &mut Context<'_>,
) -> Poll<Overdue> {
    while let Some((at, due)) = connection.due() {
        if at <= Instant::now() {
            match due {
                Due::End(overdue) => return Poll::Ready(overdue),
                Due::Check if !may_go_on(connection, &may_be_answered) => {
                    if !connection.is_tunnel() {
                        return Poll::Ready(Overdue::Revoked);
                    }
                    connection.part(Parting::Revoked);
                }
                Due::Part => connection.part(Parting::Stopping),
                Due::Check => connection.has_checked(),
            }
            continue;
        }
        // A sleep that ends too early is only looked at and set anew.
        if sleep.deadline() > at || sleep.is_elapsed() {
            sleep.as_mut().reset(at);
        }
        if sleep.as_mut().poll(cx).is_pending() {
            break;
        }
    }
    Poll::Pending
}

/// Whether the caller of the call under way, if it is a known one, may still be answered on its route.
fn may_go_on(connection: &Connection, may_be_answered: impl Fn(&Principal, Option<&str>) -> bool) -> bool {
    connection.caller().is_none_or(|caller| may_be_answered(&caller, connection.route().as_deref()))
}
