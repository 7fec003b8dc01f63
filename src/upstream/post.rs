//! A body sent to an address that an operator gave, and the short answer to it: how spans go to a collector, and how a
//! command asks a running gateway.
//!
//! Nothing that a client sends leads here. It follows no redirect.

use std::{error::Error, io, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer},
};

/// What is read of an answer.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// A client for whole bodies, in HTTP/1.1.
#[derive(Debug)]
pub struct Post {
    way: Way,
    /// From the first byte to the last one of the answer.
    timeout: Duration,
}

#[derive(Debug)]
enum Way {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Post {
    /// A client for `http`, or one for `https` that trusts these certificate authorities, or those of the machine, and shows
    /// who it is where it is asked for that.
    ///
    /// # Errors
    /// The machine has no certificate authorities, or the key is not that of the certificate.
    pub fn new(
        over_tls: bool,
        roots: Option<RootCertStore>,
        identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
        timeout: Duration,
    ) -> io::Result<Self> {
        let builder = Client::builder(TokioExecutor::new());
        let way = if over_tls {
            let config = match roots {
                Some(roots) => ClientConfig::builder().with_root_certificates(roots),
                None => ClientConfig::builder().with_native_roots()?,
            };
            let config = match identity {
                Some((chain, key)) => config.with_client_auth_cert(chain, key).map_err(io::Error::other)?,
                None => config.with_no_client_auth(),
            };
            let connector = HttpsConnectorBuilder::new().with_tls_config(config);
            Way::Tls(builder.build(connector.https_only().enable_http1().build()))
        } else {
            Way::Plain(builder.build(HttpConnector::new()))
        };
        Ok(Self { way, timeout })
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>> {
        let request = request.map(Full::new);
        let exchange = async {
            let response = match &self.way {
                Way::Plain(client) => client.request(request).await?,
                Way::Tls(client) => client.request(request).await?,
            };
            let (head, body) = response.into_parts();
            Ok(Response::from_parts(head, Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes()))
        };
        tokio::time::timeout(self.timeout, exchange).await?
    }
}
