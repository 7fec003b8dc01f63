//! Where alerts are sent, as configured; the secret is read here.

use crate::{
    actors::announcer::SigningSecret,
    config::{Config, ConfigError},
    upstream::webhook::WebhookUrl,
};

/// Why a webhook without a secret is not called.
const UNSIGNED: &str = "needs a secret that its calls are signed with, and there is none: make one with \
     echo whsec_$(openssl rand -base64 32), and put it into TOLLGATE__ALERTS__WEBHOOK_SECRET or into a file that \
     alerts.webhook_secret_file names. Who takes the calls need not check the signature";

/// The webhook and what its calls are signed with, if there is one.
pub fn webhook(config: &Config) -> Result<Option<(WebhookUrl, SigningSecret)>, ConfigError> {
    if config.alerts.webhook_url.is_empty() {
        return Ok(None);
    }
    let url = config.alerts.webhook_url.parse();
    let url =
        url.map_err(|error: crate::upstream::TargetError| config.blame("alerts.webhook_url", error.to_string()))?;
    let secret = config.webhook_secret()?;
    if secret.is_empty() {
        return Err(config.blame("alerts.webhook_url", UNSIGNED));
    }
    let secret = SigningSecret::new(&secret);
    let secret = secret.map_err(|error| config.blame("alerts.webhook_secret", error.to_string()))?;
    Ok(Some((url, secret)))
}
