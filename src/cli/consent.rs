//! What destroys is shown first, asked about, and put on record with who did it and why.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    os::unix::fs::MetadataExt,
};

use clap::Args;

use super::{Failure, print};
use crate::{data_dir::user_name, domain::audit::act::Author};

/// The longest reason, in characters.
const MAX_REASON: usize = 500;

/// The options of every command that shows its plan and asks before it goes on.
#[derive(Args)]
pub(super) struct Question {
    /// Only show what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking. Needed where there is no terminal to ask on.
    #[arg(long)]
    yes: bool,
}

/// The options of every command that destroys something.
#[derive(Args)]
pub(super) struct Consent {
    #[command(flatten)]
    question: Question,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
}

/// The option of every command that changes something in the store and is put on record.
#[derive(Args)]
pub(super) struct Recorded {
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
}

impl Recorded {
    /// Who does it, and why.
    pub(super) fn author(self) -> Author {
        author(self.reason)
    }
}

impl Question {
    /// Whether nothing is to be done.
    pub(super) const fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// True to go on. Shows the plan where it is not to be carried out without a question.
    ///
    /// # Errors
    /// If nobody can be asked, or the answer is no.
    pub(super) fn answered(&self, plan: &str) -> Result<bool, Failure> {
        if self.dry_run {
            print(&format!("{plan}nothing was changed\n"));
            return Ok(false);
        }
        if self.yes {
            return Ok(true);
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            let text = "there is no terminal to ask on: give --yes to do it, or --dry-run to see what it would do";
            return Err(Failure::Configuration(text.into()));
        }
        print(plan);
        if asked() { Ok(true) } else { Err(Failure::Failed("nothing was changed".into())) }
    }
}

impl Consent {
    /// Whether nothing is to be done.
    pub(super) const fn is_dry_run(&self) -> bool {
        self.question.is_dry_run()
    }

    /// True to go on, as [`Question::answered`].
    ///
    /// # Errors
    /// If nobody can be asked, or the answer is no.
    pub(super) fn given(&self, plan: &str) -> Result<bool, Failure> {
        self.question.answered(plan)
    }

    /// Who does it, and why.
    pub(super) fn author(&self) -> Author {
        author(self.reason.clone())
    }
}

/// Who runs this command, with a reason.
pub(super) fn author(reason: Option<String>) -> Author {
    Author { os_user: os_user(), reason }
}

/// The text of every `--reason`.
///
/// # Errors
/// It says nothing, is too long or no line of text.
pub(super) fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().count() > MAX_REASON || text.chars().any(char::is_control) {
        return Err(format!("must be one line of at most {MAX_REASON} characters, and not blank"));
    }
    Ok(text.to_owned())
}

fn asked() -> bool {
    let mut err = io::stderr().lock();
    drop(err.write_all(b"Type \"yes\" to go on: ").and_then(|()| err.flush()));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}

/// The user of the operating system, by the owner of this process, and on whose behalf.
fn os_user() -> String {
    let Ok(process) = std::fs::metadata("/proc/self") else {
        return std::env::var("USER").unwrap_or_else(|_| "unknown".into());
    };
    let user = user_name(process.uid());
    match std::env::var("SUDO_USER") {
        Ok(by) if by != user && !by.is_empty() && by.chars().count() <= 64 => format!("{user} (sudo by {by})"),
        _ => user,
    }
}
