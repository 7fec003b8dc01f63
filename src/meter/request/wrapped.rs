//! A request within another object, as Code Assist of Google has it: `{ "model": …, "request": { "contents": … } }`.

use super::{
    super::{
        json::Node,
        members::{self, Found},
        plain::model_in,
    },
    Fault, Member, Visit,
};

/// What the paths have in them of which requests are within another object.
const PATHS: &str = "/v1internal:";

/// Members of that object.
const MODEL: &str = "model";
const REQUEST: &str = "request";

/// The request, and the object around it where there is one. The error is a member that is there twice.
pub(super) fn open<'n, 'j>(path: &str, node: &'n Node<'j>) -> Result<(&'n Node<'j>, Option<&'n Node<'j>>), Fault> {
    if !path.contains(PATHS) || model_in(path).is_some() {
        return Ok((node, None));
    }
    let known = |name: &str| [MODEL, REQUEST].into_iter().find(|known| known.eq_ignore_ascii_case(name));
    let found = members::find(node, known, "")?;
    let request = found.iter().find(|found| found.name == REQUEST && found.value.is_object());
    Ok(request.map_or((node, None), |request| (request.value, Some(node))))
}

impl Visit<'_> {
    /// Reads what stands around the request: the model that is asked for, and settings of the service.
    pub(super) fn around(&mut self, object: &Node<'_>, allows: &dyn Fn(&str) -> bool) {
        for member in object.members().iter().filter(|member| !member.is(REQUEST)) {
            let name = member.name();
            let read = if member.is(MODEL) {
                self.member(Member::Model, &Found { name: MODEL, value: &member.value })
            } else {
                self.reader().setting(&members::folded(&name), &member.value);
                self.judge(&name, allows)
            };
            read.unwrap_or_else(|what| self.fault(&members::escaped(&name), what));
        }
    }
}
