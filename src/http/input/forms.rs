//! The forms of text that a schema names in `format`: who reads each, and what is accepted besides.

use jiff::{
    Timestamp,
    civil::{Date, date},
    fmt::temporal::Pieces,
};
use schemars::schema::SchemaObject;

use crate::domain::{
    display_name::DisplayName, ids::RequestId, limit::SubjectText, money::Money, name, principal::Username,
};

/// Says what is wrong with a text of one form.
type Reader = fn(&str) -> Option<String>;

/// Every form and its reader. The words are those of the type that the text is for.
const FORMS: &[(&str, Reader)] = &[
    ("uuid", |text| text.parse::<RequestId>().err().map(|error| error.to_string())),
    ("date-time", |text| time(text).is_none().then(|| TIME.to_owned())),
    (Money::FORMAT, |text| text.parse::<Money>().err().map(|error| error.to_string())),
    (SubjectText::FORMAT, |text| (!SubjectText::is_one(text)).then(|| SubjectText::WANTED.to_owned())),
    (name::FORMAT, name::fault_of_new),
    (Username::FORMAT, |text| Username::new(text).err().map(|error| error.to_string())),
    (DisplayName::FORMAT, |text| DisplayName::new(text).err().map(|error| error.to_string())),
];

const TIME: &str = "must be a time such as 2026-11-01T08:30:00Z, or a day such as 2026-11-01";

/// What is wrong with a text of the form that the schema names; nothing where it names none.
pub(super) fn fault(text: &str, schema: &SchemaObject) -> Option<String> {
    let wanted = schema.format.as_deref()?;
    FORMS.iter().find(|(name, _)| *name == wanted).and_then(|(_, read)| read(text))
}

/// An amount may be a number as well.
pub(super) fn is_amount(schema: &SchemaObject) -> bool {
    schema.format.as_deref() == Some(Money::FORMAT)
}

/// A text that is accepted, as its type reads it; `None` where that is the text itself.
pub(super) fn in_one_form(text: &str, schema: &SchemaObject) -> Option<String> {
    let is_time = schema.format.as_deref() == Some("date-time") && text.parse::<Timestamp>().is_err();
    time(text).filter(|_| is_time).map(|time| time.to_string())
}

/// A time of RFC 3339, or the first moment of a day (UTC). What lies behind the last time that can be shown in every
/// time zone is that time: `9999-12-31T23:59:59Z` is how "never" is written. A blank before the offset is the `+` that a
/// form in a query has made of it.
fn time(text: &str) -> Option<Timestamp> {
    let text = match text.rsplit_once(' ') {
        _ if is_day(text) => format!("{text}T00:00:00Z"),
        Some((local, offset)) if local.contains('T') => format!("{local}+{offset}"),
        _ => text.to_owned(),
    };
    let pieces = Pieces::parse(&text).ok().filter(|pieces| pieces.offset().is_some() && pieces.time().is_some())?;
    let is_last = pieces.date() >= date(9999, 12, 30);
    text.parse().ok().or(is_last.then_some(Timestamp::MAX))
}

fn is_day(text: &str) -> bool {
    text.parse::<Date>().is_ok_and(|day| day.to_string() == text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemars::{JsonSchema, r#gen::SchemaGenerator, schema::Schema};

    use super::*;

    fn pattern(schema: Schema) -> (SchemaObject, String) {
        let schema = schema.into_object();
        let pattern = schema.string.as_ref().and_then(|string| string.pattern.clone()).unwrap();
        (schema, pattern)
    }

    #[test]
    fn whatever_matches_the_pattern_of_a_form_is_read() {
        let mut schemas = SchemaGenerator::default();
        for schema in [
            name::Name::json_schema(&mut schemas),
            Username::json_schema(&mut schemas),
            SubjectText::json_schema(&mut schemas),
        ] {
            let (schema, pattern) = pattern(schema);
            let but_for_dots = pattern.strip_prefix(r"^(?!\.{1,2}$)").unwrap().trim_end_matches('$');
            let texts = proptest::string::string_regex(but_for_dots).unwrap();
            let mut runner = proptest::test_runner::TestRunner::deterministic();
            runner
                .run(&texts, |text| {
                    prop_assume!(text != "." && text != "..");
                    prop_assert_eq!(fault(&text, &schema), None);
                    Ok(())
                })
                .unwrap();
        }
    }

    #[test]
    fn a_day_is_its_first_moment() {
        assert_eq!(time("2026-11-01"), time("2026-11-01T00:00:00Z"));
        for no_day in ["2026-11-31", "2026-1-1", "20261101", "2026-11-01T", "2026", "", "now"] {
            assert_eq!(time(no_day), None, "{no_day}");
        }
    }
}
