//! Looks after the file of a SQLite store: that it is still the one that lies there, and that its log does not grow without
//! bound. What is found is in the log, once when it begins and once when it ends. Where another file lies there, or none, the
//! store refuses every operation from the look on: what it wrote would be lost to the next start.

use std::time::Duration;

use crate::store::Store;

/// How often.
const LOOK: Duration = Duration::from_secs(1);

/// Looks until the process ends.
pub(super) fn start(store: Store) {
    actix_web::rt::spawn(async move {
        let mut trouble = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let found = store.check_file().err().map(|error| error.to_string());
            match (&trouble, &found) {
                (None, Some(error)) => tracing::error!(error, "the file of the store is in trouble"),
                (Some(_), None) => tracing::info!("the file of the store is in order again"),
                _ => {}
            }
            trouble = found;
        }
    });
}
