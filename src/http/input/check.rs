//! The walk of a value along its schema: faults are gathered, and what passes is written down in one form.

use std::collections::HashSet;

use schemars::schema::{ArrayValidation, InstanceType, ObjectValidation, Schema, SchemaObject, SingleOrVec};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{
    forms,
    reading::{Kind, Members},
    stand_in, words,
};
use crate::domain::{money, refusal::Fault};

/// What is read, for the places of faults and the words about fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Body,
    Query,
}

impl Part {
    /// The place of a member: a JSON pointer (RFC 6901) in a body, `?name` in a query.
    fn member(self, at: &str, name: &str) -> String {
        match self {
            Self::Body => format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")),
            Self::Query => format!("?{name}"),
        }
    }

    pub(super) fn pointer_of(self, path: &serde_path_to_error::Path) -> String {
        use serde_path_to_error::Segment;
        path.iter().fold(String::new(), |at, segment| match segment {
            Segment::Seq { index } => format!("{at}/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => self.member(&at, key),
            Segment::Unknown => at,
        })
    }

    const fn member_name(self) -> &'static str {
        match self {
            Self::Body => "field",
            Self::Query => "parameter",
        }
    }
}

/// What came of a value that has faults.
pub(super) struct Faulty {
    pub faults: Vec<Fault>,
    /// The value with something else in each faulty place, if there was something for each.
    pub rest: Option<Zeroizing<String>>,
}

/// A check under way.
pub(super) struct Check {
    part: Part,
    faults: Vec<Fault>,
    /// The value in one form, as JSON, with something else in the place of what is faulty. Bodies hold passwords.
    written: Zeroizing<String>,
    /// Whether there was something for each faulty place.
    is_whole: bool,
}

impl Check {
    pub(super) fn new(part: Part) -> Self {
        Self { part, faults: vec![], written: Zeroizing::new(String::new()), is_whole: true }
    }

    /// The value in one form, or all its faults, and then the value as far as rules between its fields can be asked.
    pub(super) fn run(mut self, value: &RawValue, schema: &SchemaObject) -> Result<Zeroizing<String>, Faulty> {
        // Room for all of it: a text that grows leaves copies behind.
        self.written.reserve(value.get().len().saturating_mul(2).saturating_add(64));
        if Kind::of(value) == Kind::Object {
            self.value("", value, schema);
        } else {
            self.fault("", "must be a JSON object");
            self.is_whole = false;
        }
        if self.faults.is_empty() {
            return Ok(self.written);
        }
        Err(Faulty { faults: self.faults, rest: Some(self.written).filter(|_| self.is_whole) })
    }

    fn fault(&mut self, at: &str, detail: impl Into<String>) {
        self.faults.push(Fault::new(at, detail));
    }

    fn value(&mut self, at: &str, value: &RawValue, schema: &SchemaObject) {
        let before = (self.faults.len(), self.written.len());
        self.walk(at, value, schema);
        if self.faults.len() > before.0 && self.written.len() == before.1 {
            self.write_in_its_place(schema);
        }
    }

    fn write_in_its_place(&mut self, schema: &SchemaObject) {
        let stand_in = stand_in::of(schema);
        self.is_whole &= stand_in.is_some();
        self.written.push_str(stand_in.as_deref().unwrap_or("null"));
    }

    fn walk(&mut self, at: &str, value: &RawValue, schema: &SchemaObject) {
        let kind = Kind::of(value);
        if kind == Kind::Null && words::is_nullable(schema) {
            return self.written.push_str("null");
        }
        match (words::type_of(schema), kind) {
            (Some(InstanceType::Object), Kind::Object) => self.object(at, value, schema.object.as_deref()),
            (Some(InstanceType::Array), Kind::List) => self.list(at, value, schema.array.as_deref()),
            (Some(InstanceType::String), Kind::Text | Kind::Number) => self.text(at, value, schema),
            (Some(InstanceType::Integer), Kind::Number | Kind::Text) => self.integer(at, value, schema),
            (Some(InstanceType::Number), Kind::Number | Kind::Text) => self.number(at, value, schema),
            (Some(InstanceType::Boolean), Kind::Boolean | Kind::Text) => self.boolean(at, value, schema),
            (Some(_), _) => self.fault(at, words::expected(schema)),
            (None, _) => match words::alternatives(schema) {
                Some(alternatives) => self.any_of(at, value, schema, &alternatives),
                None => self.written.push_str(value.get()),
            },
        }
    }

    /// The first of the alternatives that takes the value. Of an object or a list that none takes, the faults are told that one
    /// for such a value finds.
    fn any_of(&mut self, at: &str, value: &RawValue, schema: &SchemaObject, alternatives: &[SchemaObject]) {
        let mut found = None;
        for alternative in alternatives {
            let mut trial = Self::new(self.part);
            trial.walk(at, value, alternative);
            if trial.faults.is_empty() {
                return self.written.push_str(&trial.written);
            }
            let is_deeper = trial.faults.iter().any(|fault| fault.pointer.len() > at.len());
            found = found.or(is_deeper.then_some(trial.faults));
        }
        match found {
            Some(faults) => self.faults.extend(faults),
            None => self.fault(at, words::expected(schema)),
        }
    }

    fn object(&mut self, at: &str, value: &RawValue, rules: Option<&ObjectValidation>) {
        let Ok(Members(members)) = serde_json::from_str(value.get()) else {
            return self.fault(at, words::NO_CHARACTER);
        };
        let none = ObjectValidation::default();
        let rules = rules.unwrap_or(&none);
        let mut seen = HashSet::new();
        self.written.push('{');
        for (name, member) in &members {
            let pointer = self.part.member(at, name);
            if seen.insert(name.as_str()) {
                self.member(&pointer, name, member, rules);
            } else {
                self.fault(&pointer, "stands here more than once");
            }
        }
        for name in rules.required.iter().filter(|name| !seen.contains(name.as_str())) {
            let pointer = self.part.member(at, name);
            self.fault(&pointer, "is missing");
            if let Some(schema) = rules.properties.get(name) {
                self.begin_member(name);
                self.write_in_its_place(&schema.clone().into_object());
                self.written.push(',');
            }
        }
        if self.written.ends_with(',') {
            self.written.pop();
        }
        self.written.push('}');
    }

    fn begin_member(&mut self, name: &str) {
        self.written.push_str(&serde_json::Value::from(name).to_string());
        self.written.push(':');
    }

    fn member(&mut self, at: &str, name: &str, value: &RawValue, rules: &ObjectValidation) {
        let schema = rules.properties.get(name).or(rules.additional_properties.as_deref());
        match schema {
            Some(Schema::Bool(false)) => {
                let detail = words::unknown(name, self.part.member_name(), &rules.properties);
                self.faults.push(Fault::unknown(at, detail));
            }
            // As serde does without `deny_unknown_fields`.
            None => {}
            Some(schema) => {
                let (faults, before) = (self.faults.len(), self.written.len());
                self.begin_member(name);
                let (begun, schema) = (self.written.len(), schema.clone().into_object());
                self.walk(at, value, &schema);
                for fault in self.faults.iter_mut().skip(faults).filter(|fault| fault.pointer == at) {
                    fault.detail.push_str(words::instead(name));
                }
                if self.faults.len() > faults && self.written.len() == begun {
                    if !rules.required.contains(name) {
                        // As if it had not been given.
                        return self.written.truncate(before);
                    }
                    self.write_in_its_place(&schema);
                }
                self.written.push(',');
            }
        }
    }

    fn list(&mut self, at: &str, value: &RawValue, rules: Option<&ArrayValidation>) {
        let items: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
        if let Some(fault) = rules.and_then(|rules| words::wrong_length(items.len(), rules)) {
            return self.fault(at, fault);
        }
        let schema = match rules.and_then(|rules| rules.items.as_ref()) {
            Some(SingleOrVec::Single(schema)) => schema.clone().into_object(),
            _ => SchemaObject::default(),
        };
        self.written.push('[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.written.push(',');
            }
            self.value(&format!("{at}/{i}"), item, &schema);
        }
        self.written.push(']');
    }

    fn text(&mut self, at: &str, value: &RawValue, schema: &SchemaObject) {
        let is_text = Kind::of(value) == Kind::Text;
        if !is_text && !forms::is_amount(schema) {
            return self.fault(at, words::expected(schema));
        }
        let Some(text) = text_in(value) else {
            return self.fault(at, words::NO_CHARACTER);
        };
        match (words::fault_of_text(&text, schema), forms::in_one_form(&text, schema)) {
            (Some(fault), _) => self.fault(at, fault),
            (None, None) if is_text => self.written.push_str(value.get()),
            (None, other) => {
                let text = other.unwrap_or_else(|| text.to_string());
                self.written.push_str(&serde_json::Value::from(text).to_string());
            }
        }
    }

    fn integer(&mut self, at: &str, value: &RawValue, schema: &SchemaObject) {
        // 512.0 and 5.12e2 are whole numbers in JSON, and the same as text.
        let number = text_in(value).and_then(|text| {
            if text.contains(['.', 'e', 'E']) {
                return money::whole(&text, 0).ok().map(i128::from);
            }
            text.parse::<i128>().ok().filter(|_| !text.starts_with('+'))
        });
        match number.filter(|number| words::bounds_of(schema).contains(number)) {
            Some(number) => self.written.push_str(&number.to_string()),
            None => self.fault(at, words::expected(schema)),
        }
    }

    fn number(&mut self, at: &str, value: &RawValue, schema: &SchemaObject) {
        let text = text_in(value).filter(|text| serde_json::from_str::<serde_json::Number>(text).is_ok());
        let fits = |text: &str| text.parse().is_ok_and(|number| words::is_within(number, schema));
        match text.filter(|text| fits(text)) {
            Some(text) => self.written.push_str(&text),
            None => self.fault(at, words::expected(schema)),
        }
    }

    fn boolean(&mut self, at: &str, value: &RawValue, schema: &SchemaObject) {
        match text_in(value).as_deref().map(String::as_str) {
            Some(text @ ("true" | "false")) => self.written.push_str(text),
            _ => self.fault(at, words::expected(schema)),
        }
    }
}

/// The text that a string stands for, and any other value as it was written. `None` where an escape stands for no
/// character (half of a surrogate pair, RFC 8259 §8.2).
fn text_in(value: &RawValue) -> Option<Zeroizing<String>> {
    match Kind::of(value) {
        Kind::Text => serde_json::from_str(value.get()).ok().map(Zeroizing::new),
        _ => Some(Zeroizing::new(value.get().to_owned())),
    }
}
