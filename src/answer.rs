//! What the gateway itself says in an answer: the wording of refusals, and the headers that every answer carries.
//!
//! Called by the pipeline at the end of a request, and by what answers before a request reaches it. It decides nothing:
//! a [`Refusal`](crate::domain::refusal::Refusal) or a [`Standing`](crate::domain::limit::Standing) comes in, bytes go out.
//! A status code appears only in [`problem`].

pub mod headers;
pub mod problem;
pub mod rate_limit;
pub mod retry_after;
pub mod window;
