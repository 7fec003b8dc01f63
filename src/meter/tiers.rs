//! Service tiers that a request asks for, in a member or in a header field.

use super::{
    asked::{Asked, Need},
    bound::FLEX,
};
use crate::domain::refusal::Fault;

/// Header fields by which Vertex and Bedrock are asked for a service tier, with the words that cost no more than the standard
/// one.
const HEADERS: [(&str, &[&str]); 4] = [
    ("x-vertex-ai-llm-shared-request-type", &["standard", "default"]),
    ("x-vertex-ai-llm-request-type", &["shared", "dedicated", "standard", "default"]),
    ("x-amzn-bedrock-service-tier", &["default", "reserved", "standard"]),
    ("x-amzn-bedrock-performanceconfig-latency", &["standard", "default"]),
];

impl Asked {
    /// The header fields that may ask for a tier.
    pub fn tier_headers() -> impl Iterator<Item = &'static str> {
        HEADERS.iter().map(|(name, _)| *name)
    }

    /// Reads such a field as the member is read that asks for the same.
    pub fn read_tier_header(&mut self, name: &str, value: &str) {
        let Some((name, standard)) = HEADERS.iter().find(|(known, _)| *known == name) else { return };
        for tier in value.split(',').map(|tier| tier.trim().to_ascii_lowercase()).filter(|tier| !tier.is_empty()) {
            self.ask_for_tier(&tier, standard, format!("header:{name}"));
        }
    }

    /// A tier in lower case. It must have a price if it is not one of the `standard` ones; `auto` leaves the choice to the
    /// provider, as none does.
    pub(super) fn ask_for_tier(&mut self, tier: &str, standard: &[&str], pointer: String) {
        if tier == FLEX {
            self.service_tiers.push(tier.to_owned());
        } else if tier != "auto" && !standard.contains(&tier) && !self.format.is_free {
            let fault = Fault::new(pointer, "asks for a service tier");
            self.needs.push((Need::ServiceTier(tier.to_owned()), fault));
            // Of several the one that may be dearer decides.
            self.service_tiers.insert(0, tier.to_owned());
        }
    }
}
