//! A bare forwarder, with which `bench/run` compares: actix-web in front, the pooled client of hyper-util behind, and
//! nothing in between that a gateway is for.
//!
//!     cargo bench --bench forwarder -- UPSTREAM PORT
//!
//! It serves on one thread at 127.0.0.1:PORT and forwards every request to UPSTREAM, host:port, until a signal ends it.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot start has nothing to measure")]

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt::System, web};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

type Http = Client<HttpConnector, Full<Bytes>>;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    // `cargo bench` without arguments tries every benchmark; this one has nothing to do then.
    let (Some(upstream), Some(port)) = (arguments.next(), arguments.next()) else { return };
    let port: u16 = port.parse().unwrap();
    System::new().block_on(async move {
        let app = move || {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            let client: Http = Client::builder(TokioExecutor::new()).build(connector);
            App::new().app_data(web::Data::new((client, upstream.clone()))).default_service(web::to(forward))
        };
        HttpServer::new(app).workers(1).bind(("127.0.0.1", port)).unwrap().run().await.unwrap();
    });
}

async fn forward(request: HttpRequest, body: Bytes, to: web::Data<(Http, String)>) -> HttpResponse {
    let (client, upstream) = to.get_ref();
    let mut asked =
        http::Request::builder().method(request.method().as_str()).uri(format!("http://{upstream}{}", request.uri()));
    for (name, value) in request.headers() {
        if name.as_str() != "host" && name.as_str() != "connection" {
            asked = asked.header(name.as_str(), value.as_bytes());
        }
    }
    let answer = client.request(asked.body(Full::new(body)).unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    let mut response = HttpResponse::build(actix_web::http::StatusCode::from_u16(head.status.as_u16()).unwrap());
    for (name, value) in &head.headers {
        if name != "content-length" && name != "connection" {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    response.body(body.collect().await.unwrap().to_bytes())
}
