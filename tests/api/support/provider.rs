//! A provider at which people sign in (`OpenID` Connect): its document, its keys, and a token and a userinfo endpoint that answer
//! what a test wants them to.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::OutsideKey;

pub const CLIENT_SECRET: &str = "canary:of the client's secret";

/// What the token endpoint does.
#[derive(Clone)]
pub enum Tokens {
    Answer {
        status: &'static str,
        content_type: &'static str,
        body: Vec<u8>,
    },
    /// Takes the request and says nothing.
    Hang,
    /// Begins an answer and never ends it.
    Endless,
}

#[derive(Clone)]
struct State {
    document: Value,
    keys: Value,
    tokens: Tokens,
    /// The last request to the token endpoint.
    asked: String,
    /// What the userinfo endpoint answers: a status, a content type and a body.
    userinfo: (&'static str, &'static str, String),
    /// The requests to the userinfo endpoint.
    userinfo_asked: Vec<String>,
}

pub struct Provider {
    pub address: SocketAddr,
    state: watch::Sender<State>,
}

impl Provider {
    pub async fn start(keys: &[&OutsideKey]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let base = format!("http://{address}");
        let document = json!({
            "issuer": base,
            "jwks_uri": format!("{base}/keys"),
            "authorization_endpoint": format!("{base}/authorize?tenant=1"),
            "token_endpoint": format!("{base}/token"),
            "response_types_supported": ["code"],
        });
        let state = State {
            document,
            keys: Value::Null,
            tokens: Tokens::Hang,
            asked: String::new(),
            userinfo: ("404 Not Found", "text/plain", String::new()),
            userinfo_asked: vec![],
        };
        let provider = Self { address, state: watch::Sender::new(state) };
        provider.publish(keys);
        let state = provider.state.clone();
        actix_web::rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                actix_web::rt::spawn(serve(stream, state.clone()));
            }
        });
        provider
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn publish(&self, keys: &[&OutsideKey]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
        self.state.send_modify(|state| state.keys = json!({ "keys": keys }));
    }

    /// From now on the document has this member.
    pub fn say(&self, name: &str, value: Value) {
        self.state.send_modify(|state| state.document[name] = value);
    }

    pub fn tokens(&self, tokens: Tokens) {
        self.state.send_modify(|state| state.tokens = tokens);
    }

    /// From now on a code is redeemed for this ID token.
    pub fn gives(&self, id_token: &str) {
        let body = json!({ "access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": id_token });
        self.answers("200 OK", "application/json", body.to_string().as_bytes());
    }

    pub fn answers(&self, status: &'static str, content_type: &'static str, body: &[u8]) {
        self.tokens(Tokens::Answer { status, content_type, body: body.to_vec() });
    }

    /// The last request to the token endpoint.
    pub fn asked(&self) -> String {
        self.state.borrow().asked.clone()
    }

    /// From now on there is a userinfo endpoint, which answers this.
    pub fn informs(&self, status: &'static str, content_type: &'static str, body: &str) {
        self.say("userinfo_endpoint", json!(format!("{}/userinfo", self.issuer())));
        self.state.send_modify(|state| state.userinfo = (status, content_type, body.to_owned()));
    }

    /// The requests to the userinfo endpoint since this was asked last.
    pub fn userinfo_asked(&self) -> Vec<String> {
        let mut asked = vec![];
        self.state.send_modify(|state| asked = std::mem::take(&mut state.userinfo_asked));
        asked
    }
}

/// What comes with an ID token.
pub const ACCESS_TOKEN: &str = "canary-of-the-provider's-access-token";

async fn serve(mut stream: TcpStream, state: watch::Sender<State>) {
    let mut request = vec![];
    while !is_whole(&request) {
        let Ok(byte) = stream.read_u8().await else { return };
        request.push(byte);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let known = state.borrow().clone();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    let (status, content_type, body) = match path.as_str() {
        "/.well-known/openid-configuration" => ("200 OK", "application/json", known.document.to_string().into_bytes()),
        "/keys" => ("200 OK", "application/json", known.keys.to_string().into_bytes()),
        "/token" => {
            state.send_modify(|state| state.asked = request);
            match known.tokens {
                Tokens::Answer { status, content_type, body } => (status, content_type, body),
                // Until the gateway hangs up.
                Tokens::Hang => return drop(stream.read_u8().await),
                Tokens::Endless => return endless(stream).await,
            }
        }
        "/userinfo" => {
            state.send_modify(|state| state.userinfo_asked.push(request));
            let (status, content_type, body) = known.userinfo;
            (status, content_type, body.into_bytes())
        }
        _ => ("404 Not Found", "text/plain", vec![]),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n");
    drop(stream.write_all(&[head.as_bytes(), &body].concat()).await);
}

/// Whether the bytes are a head and as much of a body as it says.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

async fn endless(mut stream: TcpStream) {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    drop(stream.write_all(head).await);
    let spaces = [b' '; 8_192];
    while stream.write_all(&spaces).await.is_ok() {}
}
