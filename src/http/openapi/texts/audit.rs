//! The texts of what reads the audit log.

use super::{Tag, text};

pub(super) const TAG: Tag = Tag {
    name: "Audit",
    description: "The audit log, for administrators.",
    operations: &[
        text(
            "traffic::show",
            "Add up traffic",
            "The audit log added up by time and by what is on record of each request, up to the last one. Percentiles of the \
             duration are within 3.2 %; all else is exact. `text/csv` is answered where `Accept` asks for it.",
        ),
        text(
            "replay::run",
            "Replay a limit or a budget",
            "What this limit or budget would have refused of the requests in the log, and whom: decided by the code that decides \
             in service, in the order in which the requests asked. Nothing is made or changed. Records from before `from` are read as \
             far as they matter for how it stood then: a window of a limit, the period of a budget. With `candidates` several are \
             compared; with `tightest` beside a limit the lowest `limit` is found that refuses fewer than a share of the calls. \
             What is in force and was made within the time says what it did; with `what_if` it is asked of the whole time. \
             Two replays run at a time; 503 with more.",
        ),
        text("audit::list", "List audit records", "Newest first. A cursor stays valid while records arrive."),
        text(
            "audit::checkpoints::list",
            "List checkpoints of the audit log",
            "Chain by chain, newest first within each.",
        ),
        text("audit::show", "Show an audit record", ""),
    ],
};
