//! The client against a raw-socket upstream.

mod answers;
mod connections;
mod requests;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::{test_upstream::RawUpstream, *};
use crate::upstream::{BodyAborted, InFlight, Original, OutgoingBody, Secret, StreamError, UpstreamGone};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SHORT: Duration = Duration::from_millis(100);

fn call(method: Method, path_and_query: &str, body: OutgoingBody) -> Box<Outgoing> {
    let client_address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    let host = Some(HeaderValue::from_static("gateway.example"));
    Box::new(Outgoing {
        method,
        path_and_query: path_and_query.to_owned(),
        headers: HeaderMap::new(),
        body,
        request_id: "id-1".to_owned(),
        original: Some(Original {
            host,
            client_address,
            scheme: "http",
            version: http::Version::HTTP_11,
            forwarded_for: None,
            identity: None,
        }),
        unix_time_s: 0,
        importance: crate::domain::importance::Importance::default(),
    })
}

fn get() -> Box<Outgoing> {
    call(Method::GET, "/", OutgoingBody::Empty)
}

fn post() -> Box<Outgoing> {
    call(Method::POST, "/pay", OutgoingBody::Whole(Bytes::from_static(b"once")))
}

/// Sends to an upstream that gives this answer and closes.
async fn answered(outgoing: Box<Outgoing>, answer: &str) -> (Result<Answer, UpstreamError>, String) {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    tokio::join!(client.send(&target, outgoing), upstream.answer_once(answer))
}

async fn get_answered(answer: &str) -> Result<Answer, UpstreamError> {
    answered(get(), answer).await.0
}

async fn content(answer: Answer) -> Result<Bytes, StreamError> {
    match answer.body {
        AnswerBody::Whole(bytes) => Ok(bytes),
        AnswerBody::Stream(mut stream) => {
            let mut content = Vec::new();
            while let Some(chunk) = stream.next().await {
                content.extend_from_slice(&chunk?);
            }
            Ok(content.into())
        }
    }
}
