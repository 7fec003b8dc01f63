//! Credentials as bytes: access tokens, API keys and passwords; how each is made and how it is verified.
//!
//! Called by the actors that issue credentials, by the pipeline that verifies them and by the handlers of sign-in. It never
//! knows a user, a store or a request.

pub mod api_key;
pub mod jwt;
pub mod passwords;
