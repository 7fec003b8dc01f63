//! The operators' connections: they are not kept, and end after some time whatever comes of them.
//!
//! They leave no record and are not counted, so they need none of what a public connection has; but none may stay for ever.

use std::{fmt, rc::Rc, time::Duration};

use actix_http::{
    HttpService, KeepAlive, Protocol, Request, Response,
    body::{BoxBody, MessageBody},
    error::DispatchError,
};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_factory, fn_service, map_config};
use actix_web::{dev::AppConfig, rt::net::TcpStream};
use tokio::time::timeout;

/// For a head and an answer that is taken.
const LIMIT: Duration = Duration::from_secs(20);
/// For a head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// Serves `app` on each connection, and closes it after the answer.
pub(in crate::app::server) fn serve_briefly<I, S, B>(
    app: I,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let http = HttpService::build()
        .keep_alive(KeepAlive::Disabled)
        .client_request_timeout(HEAD_LIMIT)
        .client_disconnect_timeout(Duration::from_secs(1))
        .finish(map_config(app, |()| AppConfig::default()));
    fn_factory(move || {
        let http = http.new_service(());
        async move {
            let http = Rc::new(http.await?);
            Ok(fn_service(move |stream: TcpStream| {
                let http = Rc::clone(&http);
                async move {
                    let peer = stream.peer_addr().ok();
                    drop(timeout(LIMIT, http.call((stream, Protocol::Http1, peer))).await);
                    Ok(())
                }
            }))
        }
    })
}
