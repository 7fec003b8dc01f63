//! Calls a webhook as the Standard Webhooks specification has it: `webhook-id`, `webhook-timestamp` and
//! `webhook-signature`, an HMAC-SHA256 over both and the body.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{
    clock::Clock,
    crypto::MacKey,
    domain::ids::AlertId,
    upstream::webhook::{NotDelivered, Webhook, WebhookUrl},
};

/// Calls that are under way at once.
const AT_ONCE: usize = 4;

/// How long to wait before each further try; after the last the alert is given up.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25), Duration::from_secs(125)];

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// How a secret is written: this, and 24 to 64 bytes in base64.
const PREFIX: &str = "whsec_";

/// What calls are signed with.
#[derive(Clone)]
pub struct SigningSecret(Arc<MacKey>);

/// Text that is no secret of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be whsec_ and 24 to 64 bytes in base64 (make one: echo whsec_$(openssl rand -base64 32))")]
pub struct UnfitSecret;

impl SigningSecret {
    /// Reads `whsec_…`.
    pub fn new(text: &str) -> Result<Self, UnfitSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(UnfitSecret)?;
        let bytes = zeroize::Zeroizing::new(BASE64_STANDARD.decode(encoded).map_err(|_| UnfitSecret)?);
        if !(24..=64).contains(&bytes.len()) {
            return Err(UnfitSecret);
        }
        Ok(Self(Arc::new(MacKey::new(&bytes))))
    }

    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
        format!("v1,{}", BASE64_STANDARD.encode(self.0.sign(&signed)))
    }
}

/// Brings alerts to the webhook.
pub(super) struct Courier {
    webhook: Webhook,
    secret: SigningSecret,
    turns: Semaphore,
}

impl Courier {
    /// A courier that signs each call with `secret`.
    pub fn new(url: WebhookUrl, secret: SigningSecret) -> Self {
        Self { webhook: Webhook::new(url, AT_ONCE), secret, turns: Semaphore::new(AT_ONCE) }
    }

    /// Returns when the webhook has taken the alert, or it is given up.
    pub async fn deliver(&self, alert: AlertId, body: &Value, clock: &Clock) {
        let body = Bytes::from(body.to_string());
        let host = self.webhook.authority().map(tracing::field::display);
        for pause in PAUSES.into_iter().map(Some).chain([None]) {
            let Err(error) = self.call(alert, body.clone(), clock).await else { return };
            if let Some(pause) = pause {
                tracing::warn!(host, %error, %alert, "the webhook did not take an alert; it is called again");
                tokio::time::sleep(pause).await;
            } else {
                tracing::error!(host, %error, %alert, "the webhook did not take an alert, and is not called again");
            }
        }
    }

    /// Each try has a time and a signature of its own.
    async fn call(&self, alert: AlertId, body: Bytes, clock: &Clock) -> Result<(), NotDelivered> {
        let _turn = self.turns.acquire().await;
        let (id, timestamp) = (alert.to_string(), clock.now().as_second().to_string());
        let signature = self.secret.sign(&id, &timestamp, &body);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [(ID, &id), (TIMESTAMP, &timestamp), (SIGNATURE, &signature)] {
            // Digits, hexadecimals and base64 are all that a header may hold.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        self.webhook.post(&id, headers, body).await
    }
}

/// A sentence as chats show it that read what Slack reads: names in it make no links and call nobody
/// (<https://docs.slack.dev/messaging/formatting-message-text>, "Escaping text").
pub(super) fn escaped(sentence: &str) -> String {
    sentence.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_sentence_makes_no_link_and_calls_nobody() {
        assert_eq!(
            escaped("<!channel> <https://a.example?b&c|here> of R&amp;D"),
            "&lt;!channel&gt; &lt;https://a.example?b&amp;c|here&gt; of R&amp;amp;D"
        );
        assert_eq!(escaped("The budget \"month\" has come to 82.5 %."), "The budget \"month\" has come to 82.5 %.");
    }

    #[test]
    fn a_call_is_signed_as_the_specification_has_it() {
        // The example of the Standard Webhooks specification.
        let secret = SigningSecret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn only_a_long_secret_in_its_own_form_is_taken() {
        let short = format!("whsec_{}", BASE64_STANDARD.encode([1; 23]));
        for text in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!", &short] {
            assert!(SigningSecret::new(text).is_err(), "{text}");
        }
    }
}
