//! Checking a password as it was typed, so that guessing is slow.
//!
//! Called by every handler that checks one. The account is known here by its name as it was typed alone, so that a name
//! nobody has is treated like any other.

use actix_web::{HttpMessage, HttpRequest};

use super::{
    failure::{busy, no_answer},
    office::SignIn,
    password::Password,
};
use crate::domain::{network::Network, refusal::Refusal, throttle::Throttled};

/// Whether `password` is the one that was hashed, asked from where `request` comes. Without a hash it takes as long and
/// is never right: give none where the user may not log in.
pub(super) async fn verify(
    sign_in: &SignIn,
    request: &HttpRequest,
    account: &str,
    password: Password,
    hash: Option<String>,
) -> Result<bool, Refusal> {
    let network = request.extensions().get::<Network>().copied().ok_or(Refusal::Internal)?;
    let visitor = sign_in.login_throttle.visitor(account, network);
    // Who is throttled takes no place among those who wait for a computation.
    sign_in.login_throttle.check(visitor).await.map_err(no_answer)?.map_err(throttled)?;
    let turn = sign_in.passwords.turn().await.map_err(busy)?;
    // And only who is next is let in: those before may have failed meanwhile.
    let ticket = sign_in.login_throttle.admit(visitor).await.map_err(no_answer)?.map_err(throttled)?;
    sign_in.passwords.verify(turn, password.0, hash, |right| ticket.report(right)).await.map_err(busy)
}

fn throttled(throttled: Throttled) -> Refusal {
    let Throttled { policy, limit, window_s, retry_after_ns } = throttled;
    Refusal::Throttled { policy, limit: limit.into(), window_s, retry_after_ns }
}
