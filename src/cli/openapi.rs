//! `tollgate openapi`: prints the document that the gateway serves.

use super::{Failure, print};
use crate::http::openapi::Document;

pub(super) fn run() -> Result<(), Failure> {
    let document = actix::System::new().block_on(Document::build());
    let bytes = document.map_err(|error| Failure::Failed(error.to_string()))?.bytes();
    print(&String::from_utf8_lossy(&bytes));
    Ok(())
}
