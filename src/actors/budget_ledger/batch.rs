//! The orders of one transaction, and the answer to each.

use super::{NotBooked, blueprint::Blueprint, hold::Ending, state::LedgerState};
use crate::{
    actors::handle::Reply,
    domain::ledger::{Booked, Order},
    store::StoreError,
    telemetry::Parents,
};

/// What waits for the next transaction.
pub(super) enum Queued {
    Reserve {
        order: Order,
        reply: Reply<Result<Booked, NotBooked>>,
    },
    /// One that comes from an actor that died has nobody to answer.
    End {
        ending: Ending,
        reply: Option<Reply<()>>,
    },
    Flush(Reply<()>),
}

/// What became of a batch.
pub(super) enum Done {
    /// The store has answered for every order, and so has the batch.
    Booked,
    /// The store is away: these ends are to be tried again, and everything else is answered.
    Away { ends: Vec<Queued>, error: StoreError },
}

/// Books a batch and answers. If an order conflicts with a stored one, each goes alone, so that it takes no other
/// with it. `probe` is what is booked where the batch has no order.
pub(super) async fn book(blueprint: &Blueprint, state: &LedgerState, batch: Vec<Queued>, probe: Option<Order>) -> Done {
    let mut orders: Vec<Order> = batch.iter().filter_map(Queued::order).collect();
    if orders.is_empty() {
        orders.extend(probe);
    }
    let is_alone = batch.len() <= 1;
    match blueprint.book(state, &blueprint.owner, orders).await {
        Ok(booked) => {
            let mut booked = booked.into_iter();
            for queued in batch {
                queued.booked(&mut booked, state);
            }
            Done::Booked
        }
        Err(error @ StoreError::Unavailable(_)) => {
            Done::Away { ends: batch.into_iter().filter_map(Queued::put_off).collect(), error }
        }
        Err(error) if is_alone => {
            for queued in batch {
                queued.give_up(state, &error);
            }
            Done::Booked
        }
        Err(_) => book_one_by_one(blueprint, state, batch).await,
    }
}

async fn book_one_by_one(blueprint: &Blueprint, state: &LedgerState, batch: Vec<Queued>) -> Done {
    let (mut put_off, mut away) = (vec![], None);
    for queued in batch {
        match away {
            Some(_) => put_off.extend(queued.put_off()),
            None => match Box::pin(book(blueprint, state, vec![queued], None)).await {
                Done::Booked => {}
                Done::Away { ends, error } => {
                    put_off.extend(ends);
                    away = Some(error);
                }
            },
        }
    }
    match away {
        None => Done::Booked,
        Some(error) => Done::Away { ends: put_off, error },
    }
}

impl Queued {
    /// False for a hold whose caller has gone: it need not be asked for.
    pub fn is_wanted(&self) -> bool {
        match self {
            Self::Reserve { reply, .. } => reply.is_waited_for(),
            Self::End { .. } | Self::Flush(_) => true,
        }
    }

    /// The traced requests that wait for it.
    pub fn parents(&self) -> Parents {
        match self {
            Self::Reserve { reply, .. } => reply.parents(),
            Self::End { reply, .. } => reply.as_ref().map(Reply::parents).unwrap_or_default(),
            Self::Flush(reply) => reply.parents(),
        }
    }

    /// It goes to the store now.
    pub fn sent(&self, state: &LedgerState) {
        if let Self::Reserve { order, .. } = self {
            state.sent(order.request());
        }
    }

    fn order(&self) -> Option<Order> {
        match self {
            Self::Reserve { order, .. } => Some(order.clone()),
            Self::End { ending, .. } => Some(Order::End { request: ending.request, end: ending.end.clone() }),
            Self::Flush(_) => None,
        }
    }

    /// Answers with what became of it: the next of what was booked, where it is an order.
    fn booked(self, booked: &mut impl Iterator<Item = Booked>, state: &LedgerState) {
        match self {
            Self::Reserve { order, reply } => {
                let Some(booked) = booked.next() else { return };
                if !matches!(booked, Booked::Held(_)) {
                    state.ended(order.request());
                }
                reply.answer(Ok(booked));
            }
            Self::End { ending, reply } => {
                booked.next();
                end(ending, reply, state);
            }
            Self::Flush(reply) => reply.answer(()),
        }
    }

    /// The store is away, and it is not known what it has done: a hold is refused, its end waits for the store. Who waits
    /// for others gets no answer.
    fn put_off(self) -> Option<Self> {
        match self {
            Self::Reserve { reply, .. } => reply.answer(Err(NotBooked::Unknown)),
            Self::Flush(_) => {}
            end @ Self::End { .. } => return Some(end),
        }
        None
    }

    /// The store is known to be away, and this was not sent to it.
    pub fn refuse(self) -> Option<Self> {
        match self {
            Self::Reserve { reply, .. } => reply.answer(Err(NotBooked::NotSent)),
            Self::Flush(_) => {}
            end @ Self::End { .. } => return Some(end),
        }
        None
    }

    /// It cannot be booked at all, now or later. A hold that is left without an end is ended by the sweep.
    fn give_up(self, state: &LedgerState, error: &StoreError) {
        match self {
            Self::Reserve { order, reply } => {
                tracing::error!(%error, request = %order.request(), "a hold cannot be booked");
                state.ended(order.request());
                reply.answer(Err(NotBooked::NotSent));
            }
            Self::End { ending, reply } => {
                tracing::error!(%error, request = %ending.request, "the end of a hold cannot be booked");
                end(ending, reply, state);
            }
            Self::Flush(_) => {}
        }
    }
}

/// An end is done with.
pub(super) fn end(ending: Ending, reply: Option<Reply<()>>, state: &LedgerState) {
    state.ended(ending.done());
    if let Some(reply) = reply {
        reply.answer(());
    }
}
