//! Header fields that let another model answer than the one that a request names.
//!
//! Clouds choose the deployment by them, and so do gateways in front of models. The call would be held and billed at the price of
//! the model in the request while a dearer one works.

/// Those that name the model or its deployment: of Azure ML and Azure AI, `SageMaker`, Envoy AI Gateway, the inference extension
/// of the Gateway API, and Higress.
const NAMES: [&str; 8] = [
    "azureml-model-deployment",
    "x-ai-eg-model",
    "x-amzn-sagemaker-inference-component",
    "x-amzn-sagemaker-target-model",
    "x-amzn-sagemaker-target-variant",
    "x-gateway-model-name",
    "x-higress-llm-model",
    "x-ms-model-mesh-model-name",
];

/// Those that hold rules for the choice, or the name of such rules: of Helicone and Portkey.
const RULES: [&str; 2] = ["helicone-fallbacks", "x-portkey-config"];

/// All such fields.
pub fn fields() -> impl Iterator<Item = &'static str> {
    NAMES.iter().chain(&RULES).copied()
}

/// Why a call with such a field cannot be billed; nothing where the field names what the request names too, as the clients of
/// Azure do.
#[must_use]
pub fn unbilled(field: &str, value: &[u8], model: &str) -> Option<&'static str> {
    if RULES.contains(&field) {
        Some("it lets other models answer than the one in the request, which is the one that is billed; leave it out")
    } else if value.trim_ascii().eq_ignore_ascii_case(model.as_bytes()) {
        None
    } else {
        Some(
            "it names another model than the request, whose model is the one that is billed; name one, or leave it out",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_may_name_the_model_of_the_request_and_no_other() {
        for (field, value, is_billed) in [
            ("x-ms-model-mesh-model-name", "gpt-4o-mini", true),
            ("x-ms-model-mesh-model-name", " GPT-4o-mini ", true),
            ("x-ms-model-mesh-model-name", "gpt-4o", false),
            ("azureml-model-deployment", "blue", false),
            ("x-ai-eg-model", "", false),
            ("helicone-fallbacks", "[\"gpt-4o-mini\"]", false),
            ("x-portkey-config", "gpt-4o-mini", false),
        ] {
            assert!(fields().any(|known| known == field), "{field}");
            assert_eq!(unbilled(field, value.as_bytes(), "gpt-4o-mini").is_none(), is_billed, "{field}: {value}");
        }
    }
}
