//! The public server's connections. `HttpServer` would make them, but it keeps to itself how one ends; here a connection that
//! ends because the HTTP parser refused a head leaves a record.

use std::{fmt, time::Duration};

use actix_http::{
    HttpService, Request, Response,
    body::{BoxBody, MessageBody},
    error::{DispatchError, ParseError},
};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, apply_fn_factory, map_config};
use actix_web::{dev::AppConfig, rt::net::TcpStream, web::Data};

use crate::pipeline::{Gate, call::Doubt, unread};

/// How long a client may take for the last of an answer that closes its connection.
const CLOSING: Duration = Duration::from_secs(1);

/// Serves `app` on each connection. What `drain` gives resolves when the server is told to stop: idle connections are
/// closed then.
pub(super) fn serve<I, S, B, F>(
    app: I,
    gate: Data<Gate>,
    keep_alive: Duration,
    drain: impl Fn() -> F + 'static,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
    F: Future<Output = ()> + 'static,
{
    let http = HttpService::build()
        .keep_alive(keep_alive)
        .client_disconnect_timeout(CLOSING)
        .graceful_shutdown_signal(drain)
        .on_connect_ext(|_: &TcpStream, extensions| {
            extensions.insert(Doubt::default());
        })
        .finish(map_config(app, |()| AppConfig::default()));
    apply_fn_factory(http.tcp(), move |stream: TcpStream, connection| {
        let (gate, peer) = (gate.clone(), stream.peer_addr().ok());
        let connection = connection.call(stream);
        async move {
            let ended = connection.await;
            if let Err(DispatchError::Parse(error)) = &ended {
                unread::record(&gate, peer, matches!(error, ParseError::TooLarge));
            }
            ended
        }
    })
}
