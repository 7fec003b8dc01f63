//! How the routing is made: of what the configuration says, and of what administrators have added to it.

use std::sync::Arc;

use super::Routing;
use crate::domain::entry::{Entry, EntryKey, EntryRefused, Unfit};

/// A configuration, as far as it says where calls go. Made by the composition root when a configuration is read.
pub trait Plan: Send + Sync {
    /// The routing of the configuration and of those of the entries that go together with it. Upstreams that `before` has too
    /// keep their state and their calls in flight.
    fn routing(self: Arc<Self>, entries: &[Entry], before: &Routing) -> Routing;

    /// The entries that do not go together with the configuration.
    fn unfit(&self, entries: &[Entry]) -> Vec<Unfit>;

    /// Why the entry with this key cannot become `after`, or be taken out where that is none; `entries` are all that there are.
    fn refusal(&self, entries: &[Entry], key: &EntryKey, after: Option<&Entry>) -> Option<EntryRefused>;
}
