//! Whether a request goes in circles: an upstream that leads back to this gateway would have it sent on again and again
//! (RFC 9110 §7.6.3).

use actix_web::http::header::{HeaderMap, VIA};

use super::fields::members;
use crate::{domain::refusal::Refusal, upstream::headers::PSEUDONYM};

/// How many gateways of this kind may stand one behind another.
const MAX_PASSES: usize = 5;

/// Refuses what has passed more gateways than stand behind one another anywhere.
pub fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let passes = members(headers, VIA).filter(|member| is_own(member)).count();
    if passes > MAX_PASSES { Err(Refusal::Loop { passes }) } else { Ok(()) }
}

/// A member has the protocol, who received it, and perhaps a comment.
fn is_own(member: &[u8]) -> bool {
    let mut words = member.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(PSEUDONYM.as_bytes()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_request_that_came_by_too_many_gateways_of_this_kind_goes_in_circles() {
        let many = |member: &'static str, count: usize| vec![member; count];
        for (lines, goes_on) in [
            (vec![], true),
            (many("1.1 tollgate", 5), true),
            (many("1.1 tollgate", 6), false),
            (
                vec![
                    "1.1 tollgate, 1.1 cdn, 1.0 tollgate",
                    "1.1  Tollgate (x), 1.1 tollgate,1.1 tollgate,,1.1 tollgate",
                ],
                false,
            ),
            (many("HTTP/1.1 tollgate", 6), false),
            (many("1.1 tollgate.example", 9), true),
            (many("1.1 tollgate:8080", 9), true),
            (many("tollgate", 9), true),
            (many("1.1 cdn (tollgate)", 9), true),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(VIA, HeaderValue::from_static(line));
            }
            assert_eq!(check(&headers).is_ok(), goes_on, "{headers:?}");
        }
    }
}
