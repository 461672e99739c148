//! Who may be told by webhook: checked when it is set, so that a mistake is not first seen when nobody is told.
//! Addresses are checked again whenever a connection is made.

use std::collections::BTreeSet;

use crossdock_channels::warehouse::{HttpSender, Refused};
use crossdock_model::v1::Connector;

use crate::error::ApiError;

/// What webhooks are sent with.
#[derive(Clone)]
pub struct Outbound {
    /// Who sends, and knows where to.
    pub sender: HttpSender,
    /// Names of the secrets of the configuration.
    pub secrets: BTreeSet<String>,
}

impl Outbound {
    /// How a location is told.
    pub(crate) async fn check_connector(&self, connector: &Connector) -> Result<(), ApiError> {
        match connector {
            Connector::Pull => Ok(()),
            Connector::Webhook { url, secret_name } => {
                self.check_secret("webhook_secret", secret_name)?;
                self.check_url("webhook_url", url).await
            }
        }
    }

    /// A URL that may be called. A name that does not resolve now may do so when it is called.
    pub(crate) async fn check_url(&self, field: &str, url: &str) -> Result<(), ApiError> {
        match self.sender.check(url).await {
            Ok(()) | Err(Refused::Unresolved) => Ok(()),
            Err(refused) => Err(ApiError::invalid(field, refused.to_string())),
        }
    }

    /// The name of a secret that there is.
    pub(crate) fn check_secret(&self, field: &str, name: &str) -> Result<(), ApiError> {
        if self.secrets.contains(name) {
            return Ok(());
        }
        let what = match name.is_empty() {
            true => "is missing: name a secret of the configuration".to_owned(),
            false => format!(
                "there is no secret {name:?}: add secrets.{name} to the configuration and start again"
            ),
        };
        Err(ApiError::invalid(field, what))
    }
}
