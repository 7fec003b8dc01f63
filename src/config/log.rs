//! `[log]`: what is logged, and how.

use serde::Deserialize;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::Fault;

/// `format` of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
    /// One line a request.
    pub access: bool,
}

impl Log {
    pub(super) fn validate(&self) -> Result<(), Fault> {
        self.wanted().map(drop)
    }

    /// Which lines are wanted: those of one level and above, and of some parts those of another. There are no rules for single
    /// spans: a filter that knows spans takes a lock whenever one is entered.
    pub fn wanted(&self) -> Result<Targets, Fault> {
        let mut wanted = Targets::new();
        for rule in self.level.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            let (part, word) =
                rule.rsplit_once('=').map_or((None, rule), |(part, word)| (Some(part.trim()), word.trim()));
            let Some(level) = word.parse::<LevelFilter>().ok().filter(|_| !word.is_empty()) else {
                let levels = "is no level: use error, warn, info, debug, trace or off, or PART=LEVEL";
                return Err(Fault::new("log.level", format!("\"{word}\" {levels}")));
            };
            wanted = match part {
                None => wanted.with_default(level),
                Some(part) if is_module_path(part) => wanted.with_target(part, level),
                Some(part) => {
                    let parts = "is no part of the program: a filter is PART=LEVEL, with a part like tollgate::store";
                    return Err(Fault::new("log.level", format!("\"{part}\" {parts}")));
                }
            };
        }
        Ok(wanted)
    }
}

fn is_module_path(part: &str) -> bool {
    part.split("::")
        .all(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn wanted(level: &str) -> Result<Targets, Fault> {
        Log { level: level.into(), format: LogFormat::Text, access: true }.wanted()
    }

    #[test]
    fn a_part_has_its_own_level_and_all_others_that_of_no_part() {
        for level in [
            "info,tollgate::store=debug,rest=off",
            " info , tollgate::store = debug,, rest=OFF",
            "rest=off,tollgate::store=debug,info",
        ] {
            let wanted = wanted(level).unwrap();
            for (part, at, is_wanted) in [
                ("tollgate::pipeline", Level::INFO, true),
                ("tollgate::pipeline", Level::DEBUG, false),
                ("tollgate::store::audit", Level::DEBUG, true),
                ("tollgate::store", Level::TRACE, false),
                ("rest::client", Level::ERROR, false),
            ] {
                assert_eq!(wanted.would_enable(part, &at), is_wanted, "{level}: {part} at {at}");
            }
        }
    }

    #[test]
    fn without_a_level_for_all_only_the_parts_are_logged() {
        let wanted = wanted("tollgate=info").unwrap();
        assert!(wanted.would_enable("tollgate::app", &Level::INFO) && !wanted.would_enable("rest", &Level::ERROR));
    }

    #[test]
    fn what_is_no_filter_is_named() {
        for (level, named) in [
            ("loud", "\"loud\" is no level"),
            ("info,tollgate=", "\"\" is no level"),
            ("info,=debug", "\"\" is no part"),
            ("info,tollgate=debug=info", "\"tollgate=debug\" is no part"),
            ("[request{path=/x}]=debug", "\"[request{path=/x}]\" is no part"),
        ] {
            let fault = wanted(level).unwrap_err();
            assert!(fault.reason.contains(named), "{level}: {fault:?}");
        }
    }
}
