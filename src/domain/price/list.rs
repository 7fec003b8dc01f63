//! The list of all prices: how it is changed, and what a change makes of it.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::PriceSpec;
use crate::domain::refusal::Fault;

/// The prices of one version of the list, by model.
pub type PriceList = BTreeMap<String, PriceSpec>;

/// The most models that a list has.
pub const MAX_MODELS: usize = 50_000;

/// Stands for every model whose price is not set by the same change.
const OTHERS: &str = "*";

/// Which prices to set, and which models to have none from then on. The others stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListChange {
    set: PriceList,
    remove: Remove,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Remove {
    Named(BTreeSet<String>),
    Others,
}

/// What a change makes of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    pub added: Vec<PriceSpec>,
    /// Before and after.
    pub changed: Vec<(PriceSpec, PriceSpec)>,
    pub removed: Vec<PriceSpec>,
}

impl ListChange {
    /// Sets these prices, and takes them from the models that `remove` names (`*`: from all others). Each price is kept
    /// in its shortest form. The faults of the price at `i` stand at `/<field>/<i>/…`.
    pub fn new(field: &str, prices: &[PriceSpec], remove: &[String]) -> Result<Self, Vec<Fault>> {
        let mut faults = vec![];
        let set = checked(field, prices, &mut faults);
        let named = remove.iter().enumerate().filter(|(_, model)| set.contains_key(*model));
        faults.extend(named.map(|(i, _)| Fault::new(format!("/remove/{i}"), "its price is set by the same change")));
        let remove = match remove {
            [all] if all == OTHERS => Remove::Others,
            named => Remove::Named(named.iter().cloned().collect()),
        };
        if faults.is_empty() { Ok(Self { set, remove }) } else { Err(faults) }
    }

    /// What it makes of `list`.
    #[must_use]
    pub fn difference(self, mut list: PriceList) -> Difference {
        let mut difference = Difference::default();
        for (model, after) in self.set {
            match list.remove(&model) {
                None => difference.added.push(after),
                Some(before) if before != after => difference.changed.push((before, after)),
                Some(_) => {}
            }
        }
        let goes = |model: &str| match &self.remove {
            Remove::Named(models) => models.contains(model),
            Remove::Others => true,
        };
        difference.removed = list.into_iter().filter(|(model, _)| goes(model)).map(|(_, spec)| spec).collect();
        difference
    }
}

/// The prices by model, each in its shortest form; what is wrong is reported with its place.
fn checked(field: &str, prices: &[PriceSpec], faults: &mut Vec<Fault>) -> PriceList {
    let mut set = PriceList::new();
    for (i, spec) in prices.iter().enumerate() {
        let mut blame = |fault: &Fault| {
            faults.push(Fault::new(format!("/{field}/{i}{}", fault.pointer), &*fault.detail));
        };
        match (spec.price(), set.entry(spec.model.clone())) {
            (Err(found), _) => found.iter().for_each(blame),
            (Ok(_), Entry::Occupied(_)) => blame(&Fault::new("/model", "has a price in this list already")),
            (Ok(price), Entry::Vacant(place)) => {
                place.insert(PriceSpec::of(&spec.model, &price));
            }
        }
    }
    set
}

impl Difference {
    /// Whether nothing differs.
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// The models whose price ends.
    pub fn ended(&self) -> impl Iterator<Item = &PriceSpec> {
        self.changed.iter().map(|(before, _)| before).chain(&self.removed)
    }

    /// The prices that begin to hold.
    pub fn begun(&self) -> impl Iterator<Item = &PriceSpec> {
        self.added.iter().chain(self.changed.iter().map(|(_, after)| after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(model: &str, input_usd: &str) -> PriceSpec {
        PriceSpec { model: model.into(), input_usd: input_usd.into(), output_usd: "1".into(), ..PriceSpec::default() }
    }

    fn change(prices: &[PriceSpec], remove: &[&str]) -> Result<ListChange, Vec<String>> {
        let remove: Vec<String> = remove.iter().map(|&model| model.to_owned()).collect();
        let pointers = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.pointer).collect();
        ListChange::new("items", prices, &remove).map_err(pointers)
    }

    fn models<'a>(prices: impl IntoIterator<Item = &'a PriceSpec>) -> Vec<&'a str> {
        prices.into_iter().map(|price| price.model.as_str()).collect()
    }

    #[test]
    fn what_is_named_is_set_what_is_removed_goes_and_the_others_stay() {
        let before: PriceList =
            ["same", "dearer", "gone", "other"].map(|model| (model.into(), spec(model, "1"))).into();
        let set = [spec("same", "1.000"), spec("dearer", "2"), spec("new", "3")];
        let difference = change(&set, &["gone", "never there"]).unwrap().difference(before.clone());
        assert_eq!(models(&difference.added), ["new"]);
        assert_eq!(difference.changed, [(spec("dearer", "1"), spec("dearer", "2"))]);
        assert_eq!(models(&difference.removed), ["gone"]);
        assert_eq!(models(difference.begun()), ["new", "dearer"]);
        assert_eq!(models(difference.ended()), ["dearer", "gone"]);
        let all = change(&set, &["*"]).unwrap().difference(before.clone());
        assert_eq!(models(&all.removed), ["gone", "other"]);
        assert!(change(&[spec("same", "1")], &[]).unwrap().difference(before).is_empty());
    }

    #[test]
    fn every_fault_of_every_price_is_told_with_its_place() {
        let bad = [spec("a", "-1"), spec("b", "1"), spec("b", "2"), spec("", "0.0000001")];
        let pointers = ["/items/0/input_usd", "/items/2/model", "/items/3/model", "/items/3/input_usd", "/remove/1"];
        assert_eq!(change(&bad, &["x", "b"]).unwrap_err(), pointers);
    }
}
