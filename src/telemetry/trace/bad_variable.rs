//! What is wrong with a variable of the environment.

/// An environment that asks for what this build cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct BadVariable {
    pub name: &'static str,
    pub reason: String,
}
