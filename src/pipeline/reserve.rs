//! Is there money? A metered route needs a hold before anything is sent; one message to the ledger.

use super::limit::{Admitted, Charged};
use crate::{
    actors::budget_ledger::{Ledger, OpenHold},
    domain::{
        ids::RequestId,
        refusal::{Refusal, Unavailable},
        route::{Meter, Route},
    },
};

/// Proof that the call may be sent: its limits are charged and its money is held.
pub struct Reserved {
    pub charged: Charged,
    pub hold: Option<OpenHold>,
}

/// Opens the hold of a metered call; any other passes.
pub async fn reserve(
    ledger: &Ledger,
    admitted: Admitted,
    route: &Route,
    request: RequestId,
) -> Result<Reserved, Refusal> {
    let hold = match route.meter {
        Meter::None => None,
        _ => Some(ledger.reserve(request).await.map_err(|_| Refusal::Unavailable(Unavailable::Ledger))?),
    };
    Ok(Reserved { charged: admitted.charged, hold })
}
