//! Files of prices: this project's TOML and LiteLLM's JSON, distinguished by their content.
//!
//! Called at the start, on `SIGHUP` and by `tollgate prices import`. A file is refused with the place and the reason, or
//! taken with a report: of our own form all prices or none, of LiteLLM's those that are understood. Nothing here opens a
//! file or writes a price.

mod litellm;
mod own;
mod report;

pub use self::report::Report;
use crate::domain::price::list::ListChange;

/// The table that makes the first version of the list.
pub const BUILT_IN: &str = include_str!("../../../config/prices.toml");

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceFile {
    /// The prices to set; those of other models stay.
    pub change: ListChange,
    /// When the file says that its prices were true.
    pub date: Option<String>,
    pub report: Report,
}

/// A file that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct BadFile {
    /// A line, or a price and its field.
    pub place: String,
    pub reason: String,
}

/// Reads the text of a file. No TOML begins with a brace.
pub fn read(text: &str) -> Result<PriceFile, BadFile> {
    if text.trim_start().starts_with('{') { litellm::read(text) } else { own::read(text) }
}
