//! `tollgate openapi`: prints the document that the gateway serves.

use super::{Failure, print};
use crate::http::routes;

pub(super) fn run() -> Result<(), Failure> {
    let bytes = routes::document().map_err(|error| Failure::Failed(error.to_string()))?.bytes();
    print(&String::from_utf8_lossy(&bytes));
    Ok(())
}
