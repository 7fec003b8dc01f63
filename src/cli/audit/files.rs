//! The files of checkpoints that a log is held against: that in `data_dir`, and a copy that was shipped elsewhere.

use std::{fs, path::Path};

use jiff::Timestamp;

use super::{Failure, failed, report::MEANS, trust};
use crate::{
    app::{checkpoint_file, checkpoint_files, home_chain, is_checkpoint_file_renewed},
    config::Config,
    domain::audit::{
        checkpoint::Checkpoint,
        verify::{CheckpointFile, FileFinding, Home, Judged, Keys},
    },
    store::Store,
};

/// What is to be done about the file in `data_dir`.
const AT_HOME: &str = "Find out who can write there. `--checkpoints COPY` compares with a copy that was shipped elsewhere, which can be put in its \
     place. Without one, move the file away: the next start makes it anew from the store, and what the store had lost before \
     does not show any more.";

/// What is to be done about a copy.
const ELSEWHERE: &str = "Take the copy again from where it is kept, and find out who changed this one.";

/// What the files hold, and what is wrong with them.
#[derive(Default)]
pub(super) struct Files {
    /// Checkpoints that are signed by a key that is trusted.
    pub good: Vec<Checkpoint>,
    pub notes: Vec<String>,
    /// What is wrong, and what to do about it.
    findings: Vec<String>,
}

impl Files {
    /// Those in `data_dir`. Whatever they have must be in the store, which is read later; whatever the store had before
    /// must be in them.
    pub(super) async fn at_home(&mut self, config: &Config, store: &Store, keys: &Keys) -> Result<(), Failure> {
        let chain = home_chain(config);
        let stored = match &chain {
            Some(chain) => store.last_checkpoint(chain).await.map_err(failed)?,
            None => None,
        };
        let present = checkpoint_file(config);
        let mut found = vec![];
        let mut newest = CheckpointFile::read(&present.display().to_string(), "");
        for path in checkpoint_files(config) {
            let file = trust::checkpoint_file(&path)?;
            let judged = file.judge(keys, MEANS, true);
            found.extend(judged.good);
            self.find(judged.finding, AT_HOME);
            if path == present {
                newest = file;
            }
        }
        if let Some(chain) = chain.filter(|_| self.findings.is_empty()) {
            let home = Home {
                chain: &chain,
                stored: stored.as_ref(),
                begins_later: is_checkpoint_file_renewed(config),
                modified: modified(&present),
            };
            match newest.judge_home(&found, &home) {
                Ok(None) => {}
                Ok(Some(number)) => self.notes.push(format!(
                    "{}: checkpoint {number}, the newest, is not in it yet, as when a gateway was killed: the next start adds it",
                    present.display()
                )),
                Err(finding) => self.find(Some(finding), AT_HOME),
            }
        }
        self.good.extend(found);
        Ok(())
    }

    /// A copy that was shipped elsewhere.
    pub(super) fn elsewhere(&mut self, path: &Path, keys: &Keys) -> Result<(), Failure> {
        let Judged { good, strange, finding } = trust::checkpoint_file(path)?.judge_copy(keys, MEANS);
        if strange > 0 {
            let path = path.display();
            self.notes.push(format!(
                "{path}: {strange} checkpoints are signed with keys that are not trusted, and count for nothing"
            ));
        }
        self.good.extend(good);
        self.find(finding, ELSEWHERE);
        Ok(())
    }

    /// What is said of the log, and of the files where they are not sound.
    pub(super) fn conclude(self, verdict: Result<String, Failure>) -> Result<String, Failure> {
        let findings = self.findings.join("\n");
        match verdict {
            verdict if findings.is_empty() => verdict,
            Ok(_) => Err(Failure::Failed(format!("{findings}\nThe log itself agrees with what is left in it."))),
            Err(Failure::Failed(log)) => Err(Failure::Failed(format!("{log}\n{findings}"))),
            Err(other) => Err(other),
        }
    }

    fn find(&mut self, finding: Option<FileFinding>, advice: &str) {
        self.findings
            .extend(finding.map(|finding| format!("the file of checkpoints is not sound: {finding}.\n{advice}")));
    }
}

fn modified(path: &Path) -> Option<Timestamp> {
    fs::metadata(path).and_then(|file| file.modified()).ok().and_then(|time| time.try_into().ok())
}

#[cfg(test)]
mod tests;
