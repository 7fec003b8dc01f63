//! What traffic can be grouped by.

use crate::domain::dimensions::{self, Worded};

/// One thing that traffic can be grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    Route,
    Decision,
    Reason,
    Status,
    Upstream,
    Model,
}

/// Text that names no dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be some of route, decision, reason, status, upstream, model, each once, with commas between them")]
pub struct UnknownDimension;

impl Worded for Dimension {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("route", Self::Route),
        ("decision", Self::Decision),
        ("reason", Self::Reason),
        ("status", Self::Status),
        ("upstream", Self::Upstream),
        ("model", Self::Model),
    ];
}

impl Dimension {
    /// Reads a list with commas. An empty text names none.
    pub fn list(text: &str) -> Result<Vec<Self>, UnknownDimension> {
        dimensions::list(text).ok_or(UnknownDimension)
    }
}

/// What some requests have in common, as the audit log words it. `None` where the log says nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Group {
    pub route: Option<String>,
    pub decision: Option<String>,
    pub reason: Option<String>,
    pub status: Option<u16>,
    pub upstream: Option<String>,
    pub model: Option<String>,
}

impl Group {
    /// What is left of it where only these dimensions are asked for.
    #[must_use]
    pub fn only(&self, dimensions: &[Dimension]) -> Self {
        let mut group = Self::default();
        for dimension in dimensions {
            match dimension {
                Dimension::Route => group.route.clone_from(&self.route),
                Dimension::Decision => group.decision.clone_from(&self.decision),
                Dimension::Reason => group.reason.clone_from(&self.reason),
                Dimension::Status => group.status = self.status,
                Dimension::Upstream => group.upstream.clone_from(&self.upstream),
                Dimension::Model => group.model.clone_from(&self.model),
            }
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_dimensions_names_each_once() {
        assert_eq!(Dimension::list("status,route"), Ok(vec![Dimension::Status, Dimension::Route]));
        assert_eq!(Dimension::list(""), Ok(vec![]));
        for bad in [",", "route,", "route,route", "Route", "user", " route"] {
            assert_eq!(Dimension::list(bad), Err(UnknownDimension), "{bad}");
        }
    }

    #[test]
    fn of_a_group_only_what_is_asked_for_is_left() {
        let group = Group { route: Some("chat".into()), status: Some(200), ..Group::default() };
        assert_eq!(group.only(&[Dimension::Status]), Group { status: Some(200), ..Group::default() });
        assert_eq!(group.only(&[]), Group::default());
    }
}
