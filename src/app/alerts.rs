//! Where alerts are sent, as configured; the secret is read here.

use crate::{
    actors::announcer::SigningSecret,
    config::{Config, ConfigError},
    upstream::webhook::WebhookUrl,
};

/// The webhook and what its calls are signed with, if there is one.
pub fn webhook(config: &Config) -> Result<Option<(WebhookUrl, SigningSecret)>, ConfigError> {
    if config.alerts.webhook_url.is_empty() {
        return Ok(None);
    }
    let url = config.alerts.webhook_url.parse();
    let url =
        url.map_err(|error: crate::upstream::TargetError| config.blame("alerts.webhook_url", error.to_string()))?;
    let secret = SigningSecret::new(&config.webhook_secret()?);
    let secret = secret.map_err(|error| config.blame("alerts.webhook_secret", error.to_string()))?;
    Ok(Some((url, secret)))
}
