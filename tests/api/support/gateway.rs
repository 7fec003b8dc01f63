//! A real gateway in this process, and what every test does with it.

use std::{cell::Cell, net::SocketAddr};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tollgate::{app::Gateway, store::Store};

use super::{Answer, Connection, PATIENCE, Request, Setup, TestStore, eventually};

/// Long enough, and looked for in everything the gateway writes.
pub const ADMIN_PASSWORD: &str = "canary-of-the-admin-password";
pub const PASSWORD: &str = "canary-of-a-users-password";

/// A gateway that serves. [`TestGateway::finish`] ends it, and every test must.
pub struct TestGateway {
    gateway: Option<Gateway>,
    pub address: SocketAddr,
    /// An access token of the first administrator.
    pub admin: String,
    expected_records: Cell<u64>,
    _directory: TempDir,
}

/// What a login or a refresh gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl From<&Answer> for Tokens {
    fn from(answer: &Answer) -> Self {
        let body = answer.expect(200).json();
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

/// A user with a session.
pub struct User {
    pub id: String,
    pub token: String,
}

/// An API key.
pub struct Key {
    pub id: String,
    /// `tg_<id>_<secret>`.
    pub text: String,
}

impl Key {
    pub fn secret(&self) -> &str {
        self.text.rsplit('_').next().unwrap()
    }
}

impl From<&Answer> for Key {
    fn from(answer: &Answer) -> Self {
        let body = answer.expect(201).json();
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        Self { id: text("id"), text: text("key") }
    }
}

impl TestGateway {
    /// A gateway as [`Setup`] has it by default.
    pub async fn start(store: &TestStore) -> Self {
        Setup::default().start(store).await
    }

    pub(super) async fn new(gateway: Gateway, directory: TempDir) -> Self {
        let mut started = Self {
            address: gateway.address,
            gateway: Some(gateway),
            admin: String::new(),
            expected_records: Cell::new(0),
            _directory: directory,
        };
        started.admin = started.login("admin", ADMIN_PASSWORD).await.access;
        started
    }

    pub fn running(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    pub fn request(&self, method: &str, target: &str) -> Request<'_> {
        Request::new(self, method, target)
    }

    pub fn get(&self, target: &str) -> Request<'_> {
        self.request("GET", target)
    }

    pub fn post(&self, target: &str) -> Request<'_> {
        self.request("POST", target)
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// Sends bytes as they are and reads one answer. They must be what the gateway takes for one request.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        self.expect_record();
        self.connect().await.exchange(bytes.as_ref()).await
    }

    /// One more request is under way that must be on record in the end.
    pub fn expect_record(&self) {
        self.expected_records.set(self.expected_records.get() + 1);
    }

    pub async fn try_login(&self, username: &str, password: &str) -> Answer {
        self.post("/auth/login").json(&json!({ "username": username, "password": password })).send().await
    }

    pub async fn login(&self, username: &str, password: &str) -> Tokens {
        Tokens::from(&self.try_login(username, password).await)
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post("/auth/refresh").json(&json!({ "refresh_token": refresh_token })).send().await
    }

    /// Makes a user with the usual password, without logging in.
    pub async fn create(&self, username: &str, role: &str) -> Value {
        let body = json!({ "username": username, "password": PASSWORD, "role": role });
        self.post("/admin/users").token(&self.admin).json(&body).send().await.expect(201).json()
    }

    /// Makes a user and logs in.
    pub async fn user(&self, username: &str, role: &str) -> User {
        let id = self.create(username, role).await["id"].as_str().unwrap().to_owned();
        User { id, token: self.login(username, PASSWORD).await.access }
    }

    /// Makes an API key for whoever has the token.
    pub async fn api_key(&self, token: &str, name: &str) -> Key {
        Key::from(&self.post("/me/api-keys").token(token).json(&json!({ "name": name })).send().await)
    }

    /// Exchanges an API key for an access token.
    pub async fn exchange(&self, key: &Key) -> Answer {
        let form = format!("grant_type=client_credentials&client_id={}&client_secret={}", key.id, key.secret());
        self.post("/oauth/token").form(&form).send().await
    }

    /// Changes a user, as the administrator.
    pub async fn patch(&self, id: &str, change: &Value) -> Answer {
        self.request("PATCH", &format!("/admin/users/{id}")).token(&self.admin).json(change).send().await
    }

    /// What `/metrics` on the ops port says.
    pub async fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.running().ops_address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        text
    }

    /// Waits until the gateway has found out that all clients have gone.
    pub async fn without_clients(&self) {
        let is_alone = async || self.metrics().await.contains("tollgate_connections 0\n").then_some(());
        eventually("no client is connected", is_alone).await;
    }

    /// Stops the gateway as an operator would. Every hold must have ended, and every request be on record, whole.
    pub async fn finish(self) {
        let expected = self.expected_records.get();
        let store = Box::pin(self.stop()).await;
        check_records(&store, expected).await;
    }

    /// Stops a gateway on a store that an earlier one has written to, so that its records cannot be counted.
    pub async fn discard(self) {
        Box::pin(self.stop()).await;
    }

    /// The same for several replicas on one store.
    pub async fn finish_all(replicas: impl IntoIterator<Item = Self>) {
        let (mut expected, mut store) = (0, None);
        for replica in replicas {
            expected += replica.expected_records.get();
            store = Some(Box::pin(replica.stop()).await);
        }
        check_records(&store.unwrap(), expected).await;
    }

    async fn stop(mut self) -> Store {
        let gateway = self.gateway.take().unwrap();
        let office = gateway.office.clone();
        gateway.stop().await;
        assert_eq!(office.accounting.ledger.handle().in_flight(), 0, "holds were left open");
        assert_eq!(
            office.accounting.store.open_holds(&office.audit_log.chain).await,
            Ok(vec![]),
            "holds were left open in the store"
        );
        assert_eq!(office.operations.audit.handle().in_flight(), 0, "audit entries were left unwritten");
        office.accounting.store
    }
}

async fn check_records(store: &Store, expected: u64) {
    let records = super::records::all_of(store).await;
    for record in &records {
        assert!(record["outcome"].is_string(), "a record without an outcome: {record}");
    }
    assert_eq!(u64::try_from(records.len()).unwrap(), expected, "audit records, and requests sent");
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        assert!(self.gateway.is_none() || std::thread::panicking(), "the test did not finish its gateway");
    }
}
