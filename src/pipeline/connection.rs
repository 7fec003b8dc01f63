//! What the calls on one client connection and the layer below them know of each other.
//!
//! One [`Connection`] a socket, on one thread. The connection layer (`app::server::connections`) notes what is read and
//! written, and asks when the connection is [`due`](Connection::due); `http::entry` notes the begin and the end of a call
//! and lets the call read its body through [`Ongoing::receive`]. Nothing here touches a socket or a timer but that of a body.
//!
//! Why: the HTTP library bounds the first head of a connection and nothing else. A connection can stop in a later head, in
//! a body that nobody reads, in an answer that nobody takes; each of these has its bound here, all in one function.

mod expected;
mod incoming;
mod interim;
mod line;
mod ongoing;
mod opening;
mod pace;
mod state;
#[cfg(test)]
mod tests;
mod transport;

pub use self::{
    expected::Expected,
    interim::{CONTINUE, Interim},
    line::{Line, LineVersion},
    ongoing::Ongoing,
    opening::Opening,
    state::{Bounds, Connection, Due, Overdue, Parting},
    transport::Transport,
};
