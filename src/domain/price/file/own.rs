//! This project's own form: TOML with a list `prices`, whose fields are those of `/admin/prices`.

use serde::Deserialize;

use super::{
    BadFile, PriceFile,
    report::{Report, shortened},
};
use crate::domain::{
    price::{PriceSpec, list::ListChange},
    refusal::Fault,
};

const LIST: &str = "prices";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// When the prices were true.
    date: Option<String>,
    prices: Vec<PriceSpec>,
}

pub(super) fn read(text: &str) -> Result<PriceFile, BadFile> {
    let document: Document = toml::from_str(text).map_err(|error| unreadable(text, &error))?;
    if document.prices.is_empty() {
        return Err(BadFile { place: LIST.into(), reason: "has no price".into() });
    }
    let change = ListChange::new(LIST, &document.prices, &[]).map_err(|faults| blame(&document.prices, &faults))?;
    let taken = document.prices.into_iter().map(|price| price.model).collect();
    Ok(PriceFile { change, date: document.date, report: Report { taken, ..Report::default() } })
}

fn unreadable(text: &str, error: &toml::de::Error) -> BadFile {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    BadFile { place: format!("line {line}"), reason: error.message().to_owned() }
}

/// The first fault with its place, its model and how many more there are: `/prices/1/input_usd` is `prices[1].input_usd`.
fn blame(prices: &[PriceSpec], faults: &[Fault]) -> BadFile {
    let (pointer, detail) = faults.first().map_or(("", ""), |fault| (&fault.pointer, &fault.detail));
    let mut steps = pointer.split('/').skip(2);
    let index = steps.next().unwrap_or_default();
    let model = index.parse().ok().and_then(|index: usize| prices.get(index)).map_or("", |price| &price.model);
    let place = format!("{LIST}[{index}].{}", steps.collect::<Vec<_>>().join("."));
    let others = match faults.len() {
        0 | 1 => String::new(),
        all => format!("; {} more faults", all.saturating_sub(1)),
    };
    BadFile { place, reason: format!("{detail} (model {:?}){others}", shortened(model)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::price::{file::BUILT_IN, list::PriceList};

    const PRICE: &str = "[[prices]]\nmodel = \"a\"\ninput_usd = \"1\"\noutput_usd = \"2\"\nmax_output_tokens = 10\n";

    fn fault(text: &str) -> (String, String) {
        let bad = read(text).unwrap_err();
        (bad.place, bad.reason)
    }

    #[test]
    fn the_built_in_table_is_sound_has_its_date_and_prices_the_built_in_model() {
        let table = read(BUILT_IN).unwrap();
        assert!(table.date.is_some_and(|date| date.parse::<jiff::civil::Date>().is_ok()));
        let difference = table.change.difference(PriceList::new());
        assert!(difference.added.len() > 100);
        let demo = difference.added.iter().find(|price| price.model == "demo").unwrap();
        assert_eq!((&*demo.input_usd, &*demo.output_usd, demo.max_output_tokens), ("1", "2", 4096));
    }

    #[test]
    fn a_bad_file_is_refused_with_the_place_and_the_reason() {
        for (text, place, reason) in [
            (String::new(), "line 1", "missing field `prices`"),
            ("prices = []".into(), "prices", "has no price"),
            ("[[prices]\n".into(), "line 1", ""),
            (format!("{PRICE}input_usd = \"2\""), "line 6", "duplicate key"),
            (format!("{PRICE}\n[[prices]]\nmodle = \"b\"\n"), "line 8", "unknown field `modle`"),
            (PRICE.replace("\"1\"", "1.5"), "line 3", "expected a string"),
            (PRICE.replace("\"1\"", "\"-1\""), "prices[0].input_usd", "decimal number"),
            (PRICE.replace("\"1\"", "\"NaN\""), "prices[0].input_usd", "decimal number"),
            (PRICE.replace("\"1\"", "\"1e30\""), "prices[0].input_usd", "more than can be counted"),
            (PRICE.replace("\"1\"", "\"0.0000001\""), "prices[0].input_usd", "decimal places"),
            (PRICE.repeat(2), "prices[1].model", "already (model \"a\")"),
            (PRICE.replace("\"a\"", &format!("\"{}\"", "x".repeat(10 << 20))), "prices[0].model", "1 to 256 bytes"),
            (PRICE.replace("\"2\"", "\"x\"").repeat(3), "prices[0].output_usd", "; 2 more faults"),
        ] {
            let (found, why) = fault(&text);
            assert!(found == place && why.contains(reason) && why.len() < 400, "{found}: {why:.400}");
        }
    }
}
