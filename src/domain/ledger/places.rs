//! A call that may be served at several places is held once, for the dearest of them. Where an account has no room for that,
//! some of the places are given up, and never more than need be.

use crate::domain::money::Money;

/// Gives up places after a refusal, so that the others can be asked for; none is left where no place has room alone. `amount` is
/// what a place may cost, and `room` what is left for it in an account that has refused; nothing where that does not count it.
///
/// A place that has no room alone goes. If each has, the accounts have no room for what the dearest would hold there for
/// others: that goes.
pub fn retreat<P, S>(
    places: &mut Vec<P>,
    refused: &[S],
    amount: impl Fn(&P) -> Money,
    room: impl Fn(&P, &S) -> Option<Money>,
) {
    let before = places.len();
    places.retain(|place| !refused.iter().filter_map(|account| room(place, account)).any(|room| room < amount(place)));
    if places.len() == before {
        let dearest = places.iter().map(&amount).max();
        places.retain(|place| Some(amount(place)) < dearest);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::{collection::vec, prelude::*};
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        ids::{BudgetId, RequestId},
        ledger::{Balances, BudgetAccount, Claim, Hold, Shortage, reserve, settle},
        limit::{Mode, Subject},
    };

    const ACCOUNTS: u8 = 4;

    /// A place: what it may cost at most, and the accounts that count it, as bits.
    type Place = (i64, u8);

    /// A call: its places, and the one of them that serves after all before it have failed, at this many hundredths of the highest cost.
    type Call = (Vec<Place>, usize, i64);

    fn account(number: u8) -> BudgetAccount {
        let budget = BudgetId(Uuid::from_u128(number.into()));
        BudgetAccount { budget, subject: Subject::EVERYBODY, since: Timestamp::UNIX_EPOCH }
    }

    fn counted(place: Place) -> Vec<BudgetAccount> {
        (0..ACCOUNTS).filter(|number| place.1 & (1 << number) != 0).map(account).collect()
    }

    fn union(places: &[Place]) -> Vec<BudgetAccount> {
        let all = (0..ACCOUNTS).map(account);
        all.filter(|account| places.iter().any(|place| counted(*place).contains(account))).collect()
    }

    struct Books {
        balances: Balances,
        limits: [i64; 4],
    }

    impl Books {
        fn limit(&self, account: &BudgetAccount) -> Money {
            let number = (0..ACCOUNTS).position(|number| super::tests::account(number) == *account).unwrap();
            Money::from_pusd(self.limits[number])
        }

        fn reserve(&mut self, places: &[Place]) -> Result<Hold, Vec<Shortage>> {
            let accounts = union(places);
            let claim =
                |account: &BudgetAccount| Claim { account: *account, limit: self.limit(account), mode: Mode::Enforce };
            let claims: Vec<Claim> = accounts.iter().map(claim).collect();
            let amount = Money::from_pusd(places.iter().map(|place| place.0).max().unwrap());
            reserve(&mut self.balances, &claims, amount)?;
            Ok(Hold { request: RequestId(Uuid::nil()), amount, accounts })
        }

        /// As the pipeline does: asked for again with fewer places until there is room.
        fn hold(&mut self, mut places: Vec<Place>) -> Option<(Hold, Vec<Place>)> {
            loop {
                let short = match self.reserve(&places) {
                    Ok(hold) => return Some((hold, places)),
                    Err(short) => short,
                };
                let before = places.len();
                let room = |place: &Place, short: &Shortage| {
                    let room = short.balance.remaining(self.limit(&short.account));
                    counted(*place).contains(&short.account).then_some(room)
                };
                retreat(&mut places, &short, |place| Money::from_pusd(place.0), room);
                assert!(places.len() < before, "it asks for ever");
                if places.is_empty() {
                    return None;
                }
            }
        }

        fn has_room_alone(&self, place: Place) -> bool {
            let room = |account: &BudgetAccount| {
                self.balances.get(account).copied().unwrap_or_default().remaining(self.limit(account))
            };
            counted(place).iter().all(|account| Money::from_pusd(place.0) <= room(account))
        }

        fn check(&self) {
            for (account, balance) in &self.balances {
                assert!(balance.spent.saturating_plus(balance.held) <= self.limit(account), "overspent");
            }
        }
    }

    proptest! {
        /// Any calls, some of them under way at once, whose places fail in any order.
        #[test]
        fn whatever_fails_nothing_is_overspent_and_nobody_is_refused_who_has_room_anywhere(
            limits in [0..500_i64, 0..500_i64, 0..500_i64, 0..500_i64],
            calls in vec((vec((1..60_i64, 0..16_u8), 1..5), 0..6_usize, 0..=100_i64), 1..40),
            at_once in 1..6_usize,
        ) {
            let mut books = Books { balances: Balances::new(), limits };
            let mut spent = std::collections::BTreeMap::<BudgetAccount, i64>::new();
            let calls: Vec<Call> = calls;
            for batch in calls.chunks(at_once) {
                let mut open = vec![];
                for (places, served, percent) in batch {
                    let fits = places.iter().any(|place| books.has_room_alone(*place));
                    let held = books.hold(places.clone());
                    prop_assert_eq!(held.is_some(), fits, "refused with room, or let through without");
                    open.extend(held.map(|(hold, left)| (hold, left, *served, *percent)));
                    books.check();
                }
                for (hold, left, served, percent) in open {
                    // One settlement, whoever served; where all failed, one of nothing.
                    let (cost, counted) = left.get(served).map_or((0, vec![]), |place| (place.0 * percent / 100, counted(*place)));
                    settle(&mut books.balances, &hold, &counted, Money::from_pusd(cost));
                    for account in counted {
                        *spent.entry(account).or_default() += cost;
                    }
                    books.check();
                }
            }
            for (account, balance) in &books.balances {
                prop_assert_eq!(balance.held, Money::ZERO);
                prop_assert_eq!(balance.spent.pusd(), spent.get(account).copied().unwrap_or(0));
            }
        }
    }
}
